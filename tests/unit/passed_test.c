/* What a transaction has come by: each once, in its order, and found without looking at all. */
#include <stdio.h>

#include "store/passed.h"
#include "unit.h"

/* More than can be compared with each other while a test may last: a search through all of them
 * would take this one beyond its time. */
enum { MANY = 300000 };

static cm_passed_item item_of(cm_known_kind kind, unsigned n, const char *camera)
{
    cm_passed_item item = {.kind = kind};
    snprintf(item.key.home.text, sizeof item.key.home.text, "id%u", n);
    snprintf(item.key.camera.text, sizeof item.key.camera.text, "%s", camera);
    return item;
}

static void nothing_was_passed(void **state)
{
    (void)state;
    CM_AUTO(cm_passed_clear) cm_passed passed = {.count = 0};
    const cm_passed_item item = item_of(CM_KNOWN_HOME, 1, "");
    assert_false(cm_passed_has(&passed, &item));
    assert_int_equal(passed.count, 0);
}

static void all_are_found_in_their_order(void **state)
{
    (void)state;
    CM_AUTO(cm_passed_clear) cm_passed passed = {.count = 0};
    for (unsigned n = 0; n < MANY; n++) {
        const cm_passed_item item = item_of(CM_KNOWN_ACCOUNT, n, "");
        assert_false(cm_passed_has(&passed, &item));
        assert_int_equal(cm_passed_add(&passed, &item), CM_OK);
        assert_int_equal(cm_passed_add(&passed, &item), CM_OK); /* once more is no other */
    }
    assert_int_equal(passed.count, MANY);
    for (unsigned n = 0; n < MANY; n++) {
        const cm_passed_item item = item_of(CM_KNOWN_ACCOUNT, n, "");
        assert_true(cm_passed_has(&passed, &item));
        assert_string_equal(passed.items[n].key.home.text, item.key.home.text);
    }
    const cm_passed_item next = item_of(CM_KNOWN_ACCOUNT, MANY, "");
    assert_false(cm_passed_has(&passed, &next));
}

static void what_differs_in_one_thing_is_another(void **state)
{
    (void)state;
    CM_AUTO(cm_passed_clear) cm_passed passed = {.count = 0};
    const cm_passed_item items[] = {
        item_of(CM_KNOWN_HOME, 1, ""),     item_of(CM_KNOWN_ACCOUNT, 1, ""),
        item_of(CM_KNOWN_HOME, 2, ""),     item_of(CM_KNOWN_HOME, 1, "door"),
        item_of(CM_KNOWN_HOME, 2, "door"), item_of(CM_KNOWN_HOME, 1, "yard")};
    for (size_t i = 0; i < CM_COUNT(items); i++) {
        assert_false(cm_passed_has(&passed, &items[i]));
        assert_int_equal(cm_passed_add(&passed, &items[i]), CM_OK);
    }
    assert_int_equal(passed.count, CM_COUNT(items));
    cm_passed_clear(&passed);
    assert_false(cm_passed_has(&passed, &items[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_was_passed),
        cmocka_unit_test(all_are_found_in_their_order),
        cmocka_unit_test(what_differs_in_one_thing_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
