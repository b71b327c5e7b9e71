/* Tokens change when that is on disk, and only then; none gives a role above its maker's. */
#include "daemon/core/access/access_rules.h"
#include "tests/unit/core/access_world.h"

#ifdef BANGER_FAULTS

static void test_a_token_counts_when_it_is_on_disk(void)
{
    struct client c;
    struct ended e;
    client_init(&c);
    CHECK_INT(begin_token(&c, "alice", &e), 0);
    come_with_token(&c);
    CHECK(!has_token(&c)); /* its text is there, it is not */
    await(1);
    CHECK(has_token(&c));
    client_done(&c);
}

static void test_what_could_not_be_written_is_not_there(void)
{
    struct client c;
    struct ended e;
    client_init(&c);
    fault("tokens=full");
    CHECK_INT(begin_token(&c, "carol", &e), 0);
    await(1);
    come_with_token(&c);
    CHECK_INT(e.err.code, ERR_UNAVAILABLE);
    CHECK_STR(e.err.reason, "STORE_UNAVAILABLE");
    CHECK(!has_token(&c));
    no_fault();
    make_token(&c, "carol");
    fault("identities=full");
    CHECK_INT(begin_enroll(&c, &e), 0);
    await(1);
    CHECK_INT(e.err.code, ERR_UNAVAILABLE);
    CHECK(c.certificate.der == NULL);
    CHECK(has_token(&c)); /* not used up */
    CHECK(access_find(core.access, "carol") == NULL);
    no_fault();
    close_core();
    open_core();
    CHECK(has_token(&c));
    CHECK(access_find(core.access, "carol") == NULL);
    client_done(&c);
}

static void test_a_token_is_used_once_when_two_race(void)
{
    struct client a, b;
    struct ended first, second;
    client_init(&a);
    client_init(&b);
    make_token(&a, "dave");
    b.peer = a.peer;
    CHECK_INT(begin_enroll(&a, &first), 0);
    CHECK_INT(begin_enroll(&b, &second), 0);
    CHECK(access_find(core.access, "dave") == NULL); /* not before it is on disk */
    await(2);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_INT(second.err.code, ERR_UNAUTHENTICATED);
    CHECK_INT(second.calls, 1);
    CHECK(b.certificate.der == NULL);
    CHECK(access_certificate_counts(core.access, "dave", a.certificate.serial));
    client_done(&a);
    client_done(&b);
}

static void test_a_token_whose_first_use_fails_is_there_for_the_second(void)
{
    struct client a, b;
    struct ended first, second;
    client_init(&a);
    client_init(&b);
    make_token(&a, "erin");
    b.peer = a.peer;
    fault("identities=constraint*1");
    CHECK_INT(begin_enroll(&a, &first), 0);
    CHECK_INT(begin_enroll(&b, &second), 0);
    await(2);
    no_fault();
    CHECK(first.err.code != ERR_NONE);
    CHECK(a.certificate.der == NULL);
    CHECK_INT(second.err.code, ERR_NONE);
    CHECK(access_certificate_counts(core.access, "erin", b.certificate.serial));
    CHECK(!has_token(&b));
    client_done(&a);
    client_done(&b);
}

/* Of every pair of roles; then the place of one who is there already. */
static void test_nobody_gives_out_a_role_above_their_own(void)
{
    struct client c;
    struct ended e = {.calls = 0};
    client_init(&c);
    for (int own = RPC_ROLE_VIEWER; own <= RPC_ROLE_FLEET; own++)
        for (int role = RPC_ROLE_VIEWER; role <= RPC_ROLE_FLEET; role++) {
            struct rpc_peer by = {.role = (enum rpc_role)own, .principal = "by"};
            err_clear(&e.err);
            int rv = access_create_token(&core, &by, "jim", role, NULL, TTL_MS, c.token,
                                         &c.expires_ns, on_done, &e, &e.err);
            CHECK_INT(rv, role > own ? -1 : 0);
            if (rv == 0)
                await(1);
            CHECK_STR(e.err.reason, role > own ? "ROLE_ABOVE_OWN" : "");
            CHECK_INT(e.err.code, role > own ? ERR_DENIED : ERR_NONE);
        }
    c.role = RPC_ROLE_FLEET;
    enroll(&c, "kay");
    CHECK_INT(begin_token_by(&admin, &c, "kay", &e), -1);
    CHECK_STR(e.err.reason, "ROLE_ABOVE_OWN");
    client_done(&c);
}

/* What an admin may not do with a name. */
static void check_is_above_admins(const char *principal)
{
    struct client c;
    struct ended e;
    struct identity copy;
    client_init(&c);
    c.role = RPC_ROLE_VIEWER;
    if (!CHECK_INT(begin_token_by(&admin, &c, principal, &e), -1))
        await(1);
    CHECK_INT(e.err.code, ERR_DENIED);
    CHECK_STR(e.err.reason, "ROLE_ABOVE_OWN");
    if (access_find(core.access, principal)) {
        e = (struct ended){.calls = 0};
        if (!CHECK_INT(access_revoke(&core, &admin, principal, &copy, on_done, &e, &e.err), -1))
            await(1);
        CHECK_STR(e.err.reason, "ROLE_ABOVE_OWN");
    }
    client_done(&c);
}

/* The other order: the lower token is there before the higher identity. */
static void test_a_token_from_before_takes_nobodys_place(void)
{
    struct client old, c;
    struct ended e;
    client_init(&old);
    client_init(&c);
    old.role = RPC_ROLE_VIEWER;
    CHECK_INT(begin_token_by(&admin, &old, "leo", &e), 0);
    await(1);
    come_with_token(&old);
    c.role = RPC_ROLE_FLEET;
    make_token(&c, "leo");
    fault("identities=full");
    CHECK_INT(begin_enroll(&c, &e), 0);
    await(1);
    no_fault();
    CHECK(has_token(&old)); /* nobody has enrolled */
    CHECK_INT(begin_enroll(&c, &e), 0);
    await(1);
    CHECK_STR(e.err.message, "");
    CHECK(!has_token(&old));
    CHECK_INT(begin_enroll(&old, &e), -1);
    CHECK_INT(e.err.code, ERR_UNAUTHENTICATED);
    close_core();
    open_core();
    CHECK(!has_token(&old));
    CHECK_INT(access_find(core.access, "leo")->role, RPC_ROLE_FLEET);
    client_done(&old);
    client_done(&c);
}

/* Asked for while who gets the name's role is not on disk yet. */
static void test_a_token_that_waits_its_turn_takes_nobodys_place(void)
{
    struct client c, low;
    struct ended first, second;
    client_init(&c);
    client_init(&low);
    c.role = RPC_ROLE_FLEET;
    low.role = RPC_ROLE_VIEWER;
    CHECK_INT(begin_token(&c, "mia", &first), 0);
    CHECK_INT(begin_token_by(&admin, &low, "mia", &second), 0);
    await(2);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_STR(second.err.reason, "ROLE_ABOVE_OWN");
    CHECK_STR(low.token, "");
    check_is_above_admins("mia");
    client_done(&c);
    client_done(&low);
}

static void test_revoking_opens_no_way_to_a_higher_name(void)
{
    struct client c;
    struct ended e = {.calls = 0};
    struct identity copy;
    client_init(&c);
    c.role = RPC_ROLE_FLEET;
    enroll(&c, "ned");
    check_is_above_admins("ned");
    CHECK(access_certificate_counts(core.access, "ned", c.certificate.serial));
    CHECK_INT(access_revoke(&core, &owner, "ned", &copy, on_done, &e, &e.err), 0);
    await(1);
    CHECK(access_find(core.access, "ned")->revoked);
    check_is_above_admins("ned");
    c.role = RPC_ROLE_VIEWER; /* who has the role gives the name to whom they like */
    c.peer.self_signed = true;
    pki_certificate_done(&c.certificate);
    enroll(&c, "ned");
    CHECK_INT(access_revoke(&core, &admin, "ned", &copy, on_done, &e, &e.err), 0);
    await(1);
    CHECK_INT(begin_token_by(&admin, &c, "ned", &e), 0);
    await(1);
    CHECK_STR(e.err.message, "");
    client_done(&c);
}

/* Revoking counts for those, too (access_find_mapped). */
static void test_names_of_the_configuration_have_its_roles(void)
{
    struct err err = ERR_INIT;
    struct client c;
    const struct access_peer peer = {
        .name = "oz.example.org", .principal = "oz", .role = RPC_ROLE_FLEET};
    struct access_rules *rules = access_rules_new(&err);
    CHECK_INT(access_rules_add_peer(rules, &peer, &err), 0);
    client_init(&c);
    c.role = RPC_ROLE_VIEWER;
    enroll(&c, "oz");
    (void)access_set_rules(&core, rules);
    check_is_above_admins("oz");
    (void)access_set_rules(&core, NULL);
    client_done(&c);
}

/* A daemon that ends with changes on their way: each is told once, none is shown by halves. */
static void test_an_end_with_changes_on_their_way(void)
{
    enum { MANY = 5 };
    struct client clients[MANY];
    struct ended ended[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "many%d", i);
        client_init(&clients[i]);
        CHECK_INT(begin_token(&clients[i], name, &ended[i]), 0);
    }
    close_core();
    n_awaited = 0;
    open_core();
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(ended[i].calls, 1);
        if (clients[i].token[0]) /* begun */
            come_with_token(&clients[i]);
        CHECK_INT(has_token(&clients[i]), ended[i].err.code == ERR_NONE);
        client_done(&clients[i]);
    }
}

int main(void)
{
    begin_world();
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_a_token_counts_when_it_is_on_disk);
    RUN(test_what_could_not_be_written_is_not_there);
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_a_token_is_used_once_when_two_race);
    RUN(test_a_token_whose_first_use_fails_is_there_for_the_second);
    RUN(test_nobody_gives_out_a_role_above_their_own);
    RUN(test_revoking_opens_no_way_to_a_higher_name);
    RUN(test_names_of_the_configuration_have_its_roles);
    RUN(test_a_token_that_waits_its_turn_takes_nobodys_place);
    RUN(test_a_token_from_before_takes_nobodys_place);
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_an_end_with_changes_on_their_way);
    return end_world();
}

#else

int main(void)
{
    return check_skip("needs a build with faults");
}

#endif
