/*
 * origin: what a person is told of where a session comes from: words for the device, made of the
 * browser's User-Agent (RFC 9110 10.1.5), and the network's address. Both are what somebody else
 * says: shown to the session's owner, never trusted, never decided by. Pure.
 */
#pragma once

#include "net/address.h"
#include "store/store.h"

enum { CM_USER_AGENT_MAX = 512 }; /* bytes that are looked at */

/* "Chrome on Android", "Firefox on Linux", "curl"; "" if nothing is known. ASCII, printable. */
void cm_origin_device(cm_slice user_agent, char out[CM_DEVICE_SIZE]);

/* "192.168.1.20"; of IPv6 the /64, since phones change the rest every day: "2001:db8:0:1::/64". */
void cm_origin_network(const cm_address *from, char out[CM_NETWORK_SIZE]);

void cm_origin_make(cm_session_method method, cm_slice user_agent, const cm_address *from,
                    cm_session_origin *out);
