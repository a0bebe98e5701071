/*
 * routes: every route of the server, one row each, nothing else. Included with CM_ROUTE and
 * CM_ROUTE_FRESH defined.
 *
 *   CM_ROUTE(id, method, path, permission, body, body_max, summary)
 *
 * `body` is a cm_call_body without its prefix: what media type the route takes, of at most
 * `body_max` bytes. `permission` is a cm_permission without its prefix; a row without one does not
 * compile (dispatch.c, tests/unit/routes_test.c). Role x route x ownership is the golden file
 * tests/unit/permissions.golden. The handler is cm_route_<id>.
 *
 * A row of CM_ROUTE_FRESH wants an asker who showed a short while ago who he is
 * (CM_SESSION_FRESH_US; ASVS 5.0 7.5.1), else it answers 403 sign-in-again. Taking a camera away
 * from somebody is none of them: a cut waits for nobody's password.
 */
CM_ROUTE(health, GET, "/healthz", ANYONE, NONE, 0, "Is the server well?")
CM_ROUTE(metrics, GET, "/metrics", OPERATOR_OR_LOOPBACK, NONE, 0, "Figures for Prometheus")
CM_ROUTE(openapi, GET, "/openapi.json", ANYONE, NONE, 0, "This description")
CM_ROUTE(ca_certificate, GET, "/ca.crt", ANYONE, NONE, 0,
         "The local CA's certificate, to be installed")
CM_ROUTE(server, GET, "/api/v1/server", ANYONE, NONE, 0, "Version, time, whether setup is needed")
CM_ROUTE(setup, POST, "/api/v1/setup", SETUP_TOKEN, JSON, 4096, "First run: home and owner")
CM_ROUTE(sign_in, POST, "/api/v1/session", ANYONE, JSON, 2048, "Sign in")
CM_ROUTE(session, GET, "/api/v1/session", SESSION, NONE, 0, "Who am I?")
CM_ROUTE(sign_out, DELETE, "/api/v1/session", SESSION, NONE, 0,
         "Sign out; live pictures of this session end")
CM_ROUTE(code_sign_in, POST, "/api/v1/session/code", ANYONE, JSON, 1024,
         "The second step of a sign-in: a code")
CM_ROUTE(sign_in_again, POST, "/api/v1/session/again", SESSION, JSON, 12288,
         "Show again who one is: a fresh token for this session")
CM_ROUTE(passkey_again_ask, POST, "/api/v1/session/again/challenge", SESSION, JSON, 256,
         "What an own passkey must answer to show again who one is")
CM_ROUTE(password, POST, "/api/v1/session/password", SESSION, JSON, 2048, "Change the own password")
CM_ROUTE(sessions, GET, "/api/v1/sessions", SESSION, NONE, 0, "Where the asker is signed in")
CM_ROUTE_FRESH(sessions_end, DELETE, "/api/v1/sessions", SESSION, NONE, 0,
               "End all the asker's sessions but this one")
CM_ROUTE(session_end, DELETE, "/api/v1/sessions/{session}", SESSION, NONE, 0,
         "End one of the asker's sessions; its live pictures end")
CM_ROUTE(passkey_ask, POST, "/api/v1/session/passkey/challenge", ANYONE, JSON, 256,
         "What a passkey must answer to sign in")
CM_ROUTE(passkey_sign_in, POST, "/api/v1/session/passkey", ANYONE, JSON, 12288,
         "Sign in with a passkey")
CM_ROUTE(recovery_sign_in, POST, "/api/v1/session/recovery", ANYONE, JSON, 2048,
         "Sign in with a recovery code")
CM_ROUTE(passkeys, GET, "/api/v1/passkeys", SESSION, NONE, 0,
         "Own passkeys, and how many recovery codes are left")
CM_ROUTE_FRESH(passkey_challenge, POST, "/api/v1/passkeys/challenge", SESSION, JSON, 256,
               "What a new passkey must answer")
CM_ROUTE(passkey_create, POST, "/api/v1/passkeys", SESSION, JSON, 16384, "Keep a new passkey")
CM_ROUTE(passkey_update, PATCH, "/api/v1/passkeys/{passkey}", SESSION, JSON, 1024, "Name a passkey")
CM_ROUTE_FRESH(passkey_delete, DELETE, "/api/v1/passkeys/{passkey}", SESSION, NONE, 0,
               "Remove a passkey")
CM_ROUTE(totp, GET, "/api/v1/totp", SESSION, NONE, 0, "Is the asker asked for a code?")
CM_ROUTE_FRESH(totp_begin, POST, "/api/v1/totp", SESSION, JSON, 256,
               "A secret for an authenticator app, told once")
CM_ROUTE(totp_confirm, POST, "/api/v1/totp/confirm", SESSION, JSON, 256,
         "The app's first code: from here on one is asked for")
CM_ROUTE_FRESH(totp_delete, DELETE, "/api/v1/totp", SESSION, NONE, 0, "Ask for no code any more")
CM_ROUTE_FRESH(recovery_create, POST, "/api/v1/recovery", SESSION, JSON, 256,
               "Make recovery codes; earlier ones are void")
CM_ROUTE(homes, GET, "/api/v1/homes", SESSION, NONE, 0, "Homes of the asker; all for an operator")
CM_ROUTE_FRESH(home_create, POST, "/api/v1/homes", OPERATOR, JSON, 2048, "Make a home")
CM_ROUTE_FRESH(homes_import, POST, "/api/v1/homes/import", OPERATOR, CSV, 1048576,
               "Make many homes from a file, all or none, with links for their first owners")
CM_ROUTE_FRESH(home_update, PATCH, "/api/v1/homes/{home}", OWNER, JSON, 1024,
               "Change a home: its time zone, or its name")
CM_ROUTE(cameras, GET, "/api/v1/cameras", VIEW, NONE, 0, "Cameras that the asker may view")
CM_ROUTE(camera_create, POST, "/api/v1/cameras", OWNER, JSON, 8192, "Add a camera")
CM_ROUTE(camera_probe, POST, "/api/v1/cameras/probe", OWNER, JSON, 8192, "Try an address out")
CM_ROUTE(camera, GET, "/api/v1/cameras/{camera}", VIEW, NONE, 0, "One camera")
CM_ROUTE(camera_update, PATCH, "/api/v1/cameras/{camera}", OWNER, JSON, 8192, "Change a camera")
CM_ROUTE_FRESH(camera_delete, DELETE, "/api/v1/cameras/{camera}", OWNER, NONE, 0,
               "Remove a camera; its keys are destroyed")
CM_ROUTE(live, GET, "/api/v1/cameras/{camera}/live.mp4", VIEW, NONE, 0,
         "Live pictures as fragmented MP4")
CM_ROUTE(sound, GET, "/api/v1/cameras/{camera}/sound.mp4", VIEW, NONE, 0,
         "Live sound as fragmented MP4, with the right to listen")
CM_ROUTE(whep, POST, "/api/v1/cameras/{camera}/whep", VIEW, SDP, 65536,
         "Live pictures by WebRTC: offer in, answer out")
CM_ROUTE(whep_read, GET, "/api/v1/cameras/{camera}/whep/{viewer}", VIEW, NONE, 0,
         "How a WebRTC viewer is heard at the camera")
CM_ROUTE(whep_change, PATCH, "/api/v1/cameras/{camera}/whep/{viewer}", VIEW, SDP_FRAGMENT, 16384,
         "Candidates, or an ICE restart, of a WebRTC viewer")
CM_ROUTE(whep_end, DELETE, "/api/v1/cameras/{camera}/whep/{viewer}", VIEW, NONE, 0,
         "End a WebRTC viewer")
CM_ROUTE(whip, POST, "/api/v1/cameras/{camera}/whip", PUBLISH, SDP, 65536,
         "Bring a camera its pictures by WebRTC: offer in, answer out")
CM_ROUTE(whip_change, PATCH, "/api/v1/cameras/{camera}/whip/{publisher}", PUBLISH, SDP_FRAGMENT,
         16384, "Candidates, or an ICE restart, of a WebRTC publisher")
CM_ROUTE(whip_end, DELETE, "/api/v1/cameras/{camera}/whip/{publisher}", PUBLISH, NONE, 0,
         "End a WebRTC publisher")
CM_ROUTE(still, GET, "/api/v1/cameras/{camera}/still.jpg", VIEW, NONE, 0,
         "The newest keyframe as JPEG")
CM_ROUTE(events, GET, "/api/v1/events", SESSION, NONE, 0, "What happens, as server-sent events")
CM_ROUTE(people, GET, "/api/v1/people", OWNER, NONE, 0, "Members and what they may see")
CM_ROUTE_FRESH(person_create, POST, "/api/v1/people", OWNER, JSON, 2048, "Add a person")
CM_ROUTE_FRESH(person_update, PATCH, "/api/v1/people/{account}", OWNER, JSON, 1024, "Change a role")
CM_ROUTE_FRESH(person_delete, DELETE, "/api/v1/people/{account}", OWNER, NONE, 0,
               "Remove a person from the home")
CM_ROUTE(grant, GET, "/api/v1/people/{account}/cameras/{camera}", VIEW, NONE, 0,
         "Why may this person see a camera, or not, and when?")
CM_ROUTE_FRESH(grant_put, PUT, "/api/v1/people/{account}/cameras/{camera}", OWNER, JSON, 1024,
               "Give rights on a camera")
CM_ROUTE(grant_delete, DELETE, "/api/v1/people/{account}/cameras/{camera}", OWNER, NONE, 0,
         "Take them away: the cut")
CM_ROUTE(groups, GET, "/api/v1/groups", OWNER, NONE, 0, "Groups of cameras, and who may see them")
CM_ROUTE(group_create, POST, "/api/v1/groups", OWNER, JSON, 65536, "Make a group of cameras")
CM_ROUTE_FRESH(group_update, PATCH, "/api/v1/groups/{group}", OWNER, JSON, 65536,
               "Change a group's name or cameras; what leaves it is cut")
CM_ROUTE(group_delete, DELETE, "/api/v1/groups/{group}", OWNER, NONE, 0,
         "Remove a group, and what was granted on it: the cut")
CM_ROUTE_FRESH(group_grant_put, PUT, "/api/v1/people/{account}/groups/{group}", OWNER, JSON, 1024,
               "Give rights on all cameras of a group")
CM_ROUTE(group_grant_delete, DELETE, "/api/v1/people/{account}/groups/{group}", OWNER, NONE, 0,
         "Take them away: the cut")
CM_ROUTE(tokens, GET, "/api/v1/tokens", OWNER, NONE, 0, "API tokens of the home")
CM_ROUTE_FRESH(token_create, POST, "/api/v1/tokens", OWNER, JSON, 1024,
               "Make a token for a program; the secret is told once")
CM_ROUTE_FRESH(token_delete, DELETE, "/api/v1/tokens/{token}", OWNER, NONE, 0,
               "Revoke an API token")
CM_ROUTE(audit, GET, "/api/v1/audit", OWNER, NONE, 0, "What happened in the home, newest first")
CM_ROUTE(server_audit, GET, "/api/v1/server/audit", OPERATOR, NONE, 0,
         "What happened on the server; nothing of any home")
CM_ROUTE(viewings, GET, "/api/v1/cameras/{camera}/viewings", OWNER, NONE, 0,
         "Who saw a camera between two times")
CM_ROUTE(watching, GET, "/api/v1/watching", OWNER, NONE, 0, "Who is watching now")
CM_ROUTE(watching_end, DELETE, "/api/v1/watching/{session}", OWNER, NONE, 0,
         "Sign a device out that watches, or revoke a program's token: the cut")
CM_ROUTE(invitations, GET, "/api/v1/invitations", OWNER, NONE, 0, "Invitations to the home")
CM_ROUTE_FRESH(invitation_create, POST, "/api/v1/invitations", OWNER, JSON, 16384,
               "Invite somebody; the secret is told once")
CM_ROUTE(invitation_delete, DELETE, "/api/v1/invitations/{invitation}", OWNER, NONE, 0,
         "Take an invitation back")
CM_ROUTE(invitation_look, POST, "/api/v1/invitations/look", INVITATION, JSON, 1024,
         "What an invitation leads to")
CM_ROUTE(invitation_accept, POST, "/api/v1/invitations/accept", INVITATION, JSON, 2048,
         "Join a home by an invitation")
CM_ROUTE(links, GET, "/api/v1/links", OWNER, NONE, 0, "Guest links to the home's cameras")
CM_ROUTE_FRESH(link_create, POST, "/api/v1/cameras/{camera}/links", OWNER, JSON, 1024,
               "Make a guest link: a look through one camera; the secret is told once")
CM_ROUTE(link_delete, DELETE, "/api/v1/links/{link}", OWNER, NONE, 0,
         "Revoke a guest link: the cut")
CM_ROUTE(look_open, POST, "/api/v1/look", ANYONE, JSON, 256, "Open a guest link")
CM_ROUTE(look, GET, "/api/v1/look", GUEST, NONE, 0, "What a guest link shows, and until when")
CM_ROUTE(look_live, GET, "/api/v1/look/live.mp4", GUEST, NONE, 0,
         "Its camera's live pictures as fragmented MP4")
CM_ROUTE(look_still, GET, "/api/v1/look/still.jpg", GUEST, NONE, 0,
         "Its camera's newest keyframe as JPEG")
CM_ROUTE(look_whep, POST, "/api/v1/look/whep", GUEST, SDP, 65536,
         "Its camera's live pictures by WebRTC: offer in, answer out")
CM_ROUTE(look_whep_change, PATCH, "/api/v1/look/whep/{viewer}", GUEST, SDP_FRAGMENT, 16384,
         "Candidates, or an ICE restart, of a guest's WebRTC viewer")
CM_ROUTE(look_whep_end, DELETE, "/api/v1/look/whep/{viewer}", GUEST, NONE, 0,
         "End a guest's WebRTC viewer")
CM_ROUTE_FRESH(home_invitation, POST, "/api/v1/homes/{home}/invitation", OPERATOR, JSON, 1024,
               "Invite the first owner of a home without members")
CM_ROUTE(home_suspend, PUT, "/api/v1/homes/{home}/suspension", OPERATOR, JSON, 1024,
         "Hold a home off: its pictures stop")
CM_ROUTE_FRESH(home_resume, DELETE, "/api/v1/homes/{home}/suspension", OPERATOR, NONE, 0,
               "Hold it off no more")
CM_ROUTE_FRESH(hand_over, POST, "/api/v1/people/{account}/hand-over", OWNER, JSON, 1024,
               "Make somebody the owner in one's place")
CM_ROUTE_FRESH(person_moving_out, POST, "/api/v1/people/{account}/moving-out", OWNER, JSON, 1024,
               "Somebody moves out; a receipt says what ended")
CM_ROUTE_FRESH(moving_out, POST, "/api/v1/session/moving-out", SESSION, JSON, 4096,
               "The asker moves out of some of his homes; a receipt says what ended")
CM_ROUTE(everyone, GET, "/api/v1/everyone", OWNER, NONE, 0,
         "What logging everyone out of the home would end")
CM_ROUTE_FRESH(everyone_out, POST, "/api/v1/everyone/log-out", OWNER, JSON, 256,
               "Log everyone out of the home, but for this session, which gets a fresh token")
CM_ROUTE(server_everyone, GET, "/api/v1/server/everyone", OPERATOR, NONE, 0,
         "What logging everyone out of the server would end")
CM_ROUTE_FRESH(server_everyone_out, POST, "/api/v1/server/everyone/log-out", OPERATOR, JSON, 256,
               "Log everyone out of the whole server, but for this session")
