/* Ways to write a route, one row each, of which the compiler is given one: stands in front of
 * src/api/routes.h for route_without_permission.c. */
#if defined(ROW_WITH_PERMISSION)
CM_ROUTE(health, GET, "/one-more", OPERATOR, NONE, 0, "A row as it should be")
#elif defined(ROW_UNSET)
CM_ROUTE(health, GET, "/one-more", UNSET, NONE, 0, "A row whose permission is the zero value")
#elif defined(ROW_EMPTY)
CM_ROUTE(health, GET, "/one-more", , NONE, 0, "A row with nothing where the permission stands")
#elif defined(ROW_SHORT)
CM_ROUTE(health, GET, "/one-more", NONE, 0, "A row that leaves the permission out")
#elif defined(ROW_UNKNOWN)
CM_ROUTE(health, GET, "/one-more", EVERYBODY, NONE, 0, "A row with a permission that is none")
#endif
