/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Knobs: set by the agent before load, so the verifier prunes what they turn off. A feature that
 * the kernel lacks is off here and its helper is never seen by that kernel's verifier.
 */
#ifndef FL_CONFIG_H
#define FL_CONFIG_H

#include "abi.h"

/* Whose sockets are translated: enum fl_socket_lb. */
const volatile __u8 socket_lb = FL_SOCKET_LB_ALL;
/* bpf_set_retval loads in sock_addr programs (about 6.1): refuse with the right errno. */
const volatile __u8 has_set_retval = 1;
/* Remember the VIP of TCP sockets for getpeername: one socket-storage write per connect. */
const volatile __u8 remember_peer = 1;

/* Of the packet programs: the bit that the masquerade rule looks for; 0: nothing is marked. */
const volatile __u32 masquerade_mark = 0;
/* Of the packet programs: bytes before the IP header; 0 on tunnels without Ethernet. */
const volatile __u16 l2_length = 14;

#endif
