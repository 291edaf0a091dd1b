// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/rows.h"
const struct row row_deaths[] = {{.name = NULL}};
