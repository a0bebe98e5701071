/* address: text forms, ranges and kinds. One behaviour a case. */
#include "unit.h"

#include "net/address.h"

static cm_address parse(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 7, &address), CM_OK);
    return address;
}

static void text_forms_round_trip(void **state)
{
    (void)state;
    static const char *const FORMS[][2] = {
        {"192.168.1.4:554", "192.168.1.4:554"},
        {"192.168.1.4", "192.168.1.4:7"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[fe80::1]:80", "[fe80::1]:80"},
        {"[::]:65535", "[::]:65535"},
        {"fe80::1", "[fe80::1]:7"},
        {"[FE80:0:0::1]", "[fe80::1]:7"},
        {"2001:db8:1:2:3:4:5:6", "[2001:db8:1:2:3:4:5:6]:7"},
        {"[::ffff:10.1.2.3]:5", "10.1.2.3:5"}, /* mapped: it is IPv4 */
        {"::ffff:a01:203", "10.1.2.3:7"},
    };
    for (size_t i = 0; i < CM_COUNT(FORMS); i++) {
        char text[CM_ADDRESS_TEXT_SIZE];
        const cm_address address = parse(FORMS[i][0]);
        assert_string_equal(cm_address_format(&address, text), FORMS[i][1]);
        const cm_address again = parse(text);
        assert_true(cm_address_equal(&address, &again));
    }
}

static void the_longest_form_fits(void **state)
{
    (void)state;
    char text[CM_ADDRESS_TEXT_SIZE];
    cm_address address = parse("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
    address.port = 65535;
    assert_string_equal(cm_address_format(&address, text),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_string_equal(cm_address_format_host(&address, text),
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      ":80",
                                      "1.2.3",
                                      "0177.1",
                                      "0177.0.0.1",
                                      "127.1",
                                      "2130706433",
                                      "0x7f.0.0.1",
                                      "0x7f000001",
                                      "1.2.3.4.5",
                                      "1.2.3.256",
                                      "1.2.3.04",
                                      "1.2.3.4:",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:-1",
                                      "1.2.3.4:8 ",
                                      " 1.2.3.4",
                                      "1.2.3.4/8",
                                      "[1.2.3.4]:80",
                                      "[::1",
                                      "::1]:80",
                                      "[::1]80",
                                      "[::1]:",
                                      "[]:80",
                                      "fe80::1%eth0",
                                      "[fe80::1%1]:80",
                                      "1::2::3",
                                      ":::",
                                      "12345::",
                                      "host",
                                      "host:80",
                                      "1.2.3.4\n",
                                      "::ffff:0177.1"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_address address;
        assert_int_equal(cm_address_parse(cm_slice_of(BAD[i]), 7, &address), CM_REFUSE);
    }
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_over("1.2.3.4\0x", 9), 7, &address), CM_REFUSE);
}

static void the_port_counts_only_where_it_should(void **state)
{
    (void)state;
    const cm_address a = parse("1.2.3.4:5"), b = parse("1.2.3.4:6"), c = parse("::102:304");
    assert_false(cm_address_equal(&a, &b));
    assert_true(cm_address_same_host(&a, &b));
    assert_false(cm_address_same_host(&a, &c)); /* the same bytes elsewhere */
}

static bool contains(const char *range_text, const char *address_text)
{
    cm_range range;
    assert_int_equal(cm_range_parse(cm_slice_of(range_text), &range), CM_OK);
    const cm_address address = parse(address_text);
    return cm_range_contains(&range, &address);
}

static void a_range_holds_what_agrees_in_its_prefix(void **state)
{
    (void)state;
    assert_true(contains("192.168.0.0/16", "192.168.255.255"));
    assert_false(contains("192.168.0.0/16", "192.169.0.0"));
    assert_true(contains("172.16.0.0/12", "172.31.255.255:9"));
    assert_false(contains("172.16.0.0/12", "172.32.0.0"));
    assert_true(contains("0.0.0.0/0", "255.255.255.255"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_false(contains("::/0", "1.2.3.4"));
    assert_true(contains("10.0.0.1", "10.0.0.1"));
    assert_false(contains("10.0.0.1", "10.0.0.2"));
    assert_true(contains("fd00::/8", "fdff::1"));
    assert_false(contains("fd00::/8", "fe00::"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::"));
}

static void a_mapped_form_does_not_dodge_a_range(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_false(contains("::ffff:10.0.0.0/104", "11.1.2.3"));
}

static void ranges_with_host_bits_or_bad_prefixes_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"192.168.1.0/16", "10.0.0.0/33",  "10.0.0.0/",   "fd00::1/8",
                                      "fd00::/129",     "/8",           "10.0.0.0/-1", "10/8",
                                      "::ffff:0:0/80",  "10.0.0.0/8/8", "[fd00::]/8"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_range range;
        assert_int_equal(cm_range_parse(cm_slice_of(BAD[i]), &range), CM_REFUSE);
    }
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        cm_address_kind kind;
    } CASES[] = {
        {"0.0.0.0", CM_ADDRESS_UNSPECIFIED},
        {"0.1.2.3", CM_ADDRESS_UNSPECIFIED},
        {"::", CM_ADDRESS_UNSPECIFIED},
        {"127.0.0.1", CM_ADDRESS_LOOPBACK},
        {"127.255.255.255", CM_ADDRESS_LOOPBACK},
        {"::1", CM_ADDRESS_LOOPBACK},
        {"::ffff:127.0.0.1", CM_ADDRESS_LOOPBACK},
        {"169.254.169.254", CM_ADDRESS_LINK_LOCAL},
        {"::ffff:169.254.169.254", CM_ADDRESS_LINK_LOCAL},
        {"fe80::1", CM_ADDRESS_LINK_LOCAL},
        {"febf::", CM_ADDRESS_LINK_LOCAL},
        {"224.0.0.1", CM_ADDRESS_MULTICAST},
        {"239.255.255.255", CM_ADDRESS_MULTICAST},
        {"255.255.255.255", CM_ADDRESS_MULTICAST},
        {"ff02::1", CM_ADDRESS_MULTICAST},
        {"10.255.0.1", CM_ADDRESS_PRIVATE},
        {"172.16.0.1", CM_ADDRESS_PRIVATE},
        {"172.31.255.255", CM_ADDRESS_PRIVATE},
        {"172.32.0.0", CM_ADDRESS_PUBLIC},
        {"172.15.255.255", CM_ADDRESS_PUBLIC},
        {"192.168.1.1", CM_ADDRESS_PRIVATE},
        {"192.169.0.0", CM_ADDRESS_PUBLIC},
        {"100.64.0.1", CM_ADDRESS_PRIVATE},
        {"100.127.255.255", CM_ADDRESS_PRIVATE},
        {"100.128.0.0", CM_ADDRESS_PUBLIC},
        {"fc00::1", CM_ADDRESS_PRIVATE},
        {"fd12:3456::1", CM_ADDRESS_PRIVATE},
        {"fd00:ec2::254", CM_ADDRESS_RESERVED},
        {"fd00:ec2::255", CM_ADDRESS_PRIVATE},
        {"192.0.2.1", CM_ADDRESS_RESERVED},
        {"198.18.0.1", CM_ADDRESS_RESERVED},
        {"198.19.255.255", CM_ADDRESS_RESERVED},
        {"198.20.0.0", CM_ADDRESS_PUBLIC},
        {"198.51.100.1", CM_ADDRESS_RESERVED},
        {"203.0.113.255", CM_ADDRESS_RESERVED},
        {"240.0.0.1", CM_ADDRESS_RESERVED},
        {"255.255.255.254", CM_ADDRESS_RESERVED},
        {"64:ff9b::127.0.0.1", CM_ADDRESS_RESERVED},
        {"64:ff9b:1::1", CM_ADDRESS_RESERVED},
        {"2002:7f00:1::", CM_ADDRESS_RESERVED},
        {"2003::1", CM_ADDRESS_PUBLIC},
        {"2001::1", CM_ADDRESS_RESERVED},
        {"2001:db8::1", CM_ADDRESS_RESERVED},
        {"::127.0.0.1", CM_ADDRESS_RESERVED},
        {"fec0::1", CM_ADDRESS_RESERVED},
        {"100::1", CM_ADDRESS_RESERVED},
        {"3fff::1", CM_ADDRESS_RESERVED},
        {"8.8.8.8", CM_ADDRESS_PUBLIC},
        {"2606:4700::1111", CM_ADDRESS_PUBLIC},
        {"2a00:1450::1", CM_ADDRESS_PUBLIC},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        const cm_address address = parse(CASES[i].text);
        assert_string_equal(cm_address_kind_name(cm_address_kind_of(&address)),
                            cm_address_kind_name(CASES[i].kind));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms_round_trip),
        cmocka_unit_test(the_longest_form_fits),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(the_port_counts_only_where_it_should),
        cmocka_unit_test(a_range_holds_what_agrees_in_its_prefix),
        cmocka_unit_test(a_mapped_form_does_not_dodge_a_range),
        cmocka_unit_test(ranges_with_host_bits_or_bad_prefixes_are_refused),
        cmocka_unit_test(kinds_are_told_apart),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
