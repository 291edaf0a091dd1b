// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/bufpool.h"

#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

struct rte_mempool *bufpool_create(
	const char *name, unsigned n, unsigned cache, size_t room, bool packed)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = (uint16_t)room};
	struct rte_mempool *pool;

	if (!packed)
		return rte_pktmbuf_pool_create(name, n, cache, 0, (uint16_t)room, SOCKET_ID_ANY);
	pool = rte_mempool_create_empty(name, n, (unsigned)(sizeof(struct rte_mbuf) + room), cache,
		sizeof(priv), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (pool == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0)
		goto free_pool;
	rte_pktmbuf_pool_init(pool, &priv);
	if (rte_mempool_populate_default(pool) < 0 || pool->nb_mem_chunks != 1)
		goto free_pool;
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;

free_pool:
	rte_mempool_free(pool);
	return NULL;
}
