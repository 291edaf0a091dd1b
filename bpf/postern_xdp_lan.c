// SPDX-License-Identifier: BSD-3-Clause
// XDP program of a LAN port: the port belongs to the segment, so every frame goes to the socket.
// While the data-plane is down frames are dropped; the kernel has no part in a LAN port.

#include "bpf/maps.h"

SEC("xdp")
int postern_xdp_lan(struct xdp_md *ctx)
{
	return to_socket(ctx, XDP_LAN_FRAME);
}

char _license[] SEC("license") = "Dual BSD/GPL";
