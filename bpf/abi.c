// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Mentions every type of abi.h, so that its BTF is kept. Compiled by gen.mjs only, never loaded;
 * gen.mjs fails when a struct or enum of abi.h is missing here.
 */
#include "abi.h"

#define MENTION(kind, name) kind name mention_##name

MENTION(enum, fl_schema);
MENTION(enum, fl_limit);
MENTION(enum, fl_reason);
MENTION(enum, fl_event_kind);
MENTION(enum, fl_hook);
MENTION(enum, fl_socket_lb);
MENTION(enum, fl_frontend_kind);
MENTION(enum, fl_frontend_flag);
MENTION(enum, fl_region_flag);
MENTION(enum, fl_backend_state);
MENTION(enum, fl_client_kind);
MENTION(enum, fl_node_address_flag);
MENTION(enum, fl_side);
MENTION(enum, fl_direction);
MENTION(enum, fl_flow_flag);

MENTION(struct, fl_addr);
MENTION(struct, fl_seal);
MENTION(struct, fl_frontend_key);
MENTION(struct, fl_frontend);
MENTION(struct, fl_service);
MENTION(struct, fl_region);
MENTION(struct, fl_backend);
MENTION(struct, fl_member_key);
MENTION(struct, fl_member);
MENTION(struct, fl_affinity_key);
MENTION(struct, fl_affinity);
MENTION(struct, fl_peer);
MENTION(struct, fl_datagrams);
MENTION(struct, fl_flow_key);
MENTION(struct, fl_flow);
MENTION(struct, fl_scratch);
MENTION(struct, fl_fragment_key);
MENTION(struct, fl_fragment_ports);
MENTION(struct, fl_node_address);
MENTION(struct, fl_service_stats);
MENTION(struct, fl_event);
MENTION(struct, fl_meta);
