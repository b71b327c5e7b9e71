/* Certificates are renewed and revoked when that is on disk, and only then. */
#include "tests/unit/core/access_world.h"

#ifdef BANGER_FAULTS

static void test_a_rotation_that_fails_leaves_the_old_certificate(void)
{
    struct client c;
    struct ended e = {.calls = 0};
    struct pki_certificate next = {0};
    client_init(&c);
    enroll(&c, "fay");
    fault("identities=constraint*1");
    CHECK_INT(access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &next, on_done, &e, &e.err),
              0);
    await(1);
    CHECK(e.err.code != ERR_NONE);
    CHECK(next.der == NULL);
    CHECK(access_certificate_counts(core.access, "fay", c.certificate.serial));
    no_fault();
    CHECK_INT(access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &next, on_done, &e, &e.err),
              0);
    CHECK(!access_certificate_counts(core.access, "fay", next.serial));
    await(1);
    CHECK(access_certificate_counts(core.access, "fay", next.serial));
    CHECK(access_certificate_counts(core.access, "fay", c.certificate.serial));
    pki_certificate_done(&next);
    client_done(&c);
}

static struct err rotate(struct client *c, const char *serial)
{
    struct ended e = {.calls = 0};
    struct rpc_peer peer = c->peer;
    snprintf(peer.serial, sizeof(peer.serial), "%s", serial);
    pki_certificate_done(&c->certificate);
    c->certificate = (struct pki_certificate){0};
    if (access_rotate(&core, &peer, c->csr, (size_t)c->csr_len, &c->certificate, on_done, &e,
                      &e.err) == 0)
        await(1);
    return e.err;
}

static struct rpc_peer seen_again(struct client *c, const char *serial)
{
    struct err err = ERR_INIT;
    struct rpc_peer peer = c->peer;
    snprintf(peer.serial, sizeof(peer.serial), "%s", serial);
    peer.again = true;
    CHECK_INT(access_identify(&core, &peer, &err), 0);
    return peer;
}

static void test_only_the_newest_certificate_is_renewed(void)
{
    struct client c;
    char first[PKI_SERIAL_BYTES], second[PKI_SERIAL_BYTES];
    client_init(&c);
    enroll(&c, "hal");
    memcpy(first, c.certificate.serial, sizeof(first));
    CHECK_INT(rotate(&c, first).code, ERR_NONE);
    memcpy(second, c.certificate.serial, sizeof(second));
    struct err err = rotate(&c, first);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_STR(err.reason, "CERTIFICATE_SUPERSEDED");
    CHECK(access_certificate_counts(core.access, "hal", first));
    CHECK(!seen_again(&c, first).finishing);
    CHECK_INT(rotate(&c, second).code, ERR_NONE);
    CHECK(seen_again(&c, first).finishing);
    CHECK(!seen_again(&c, second).finishing);
    CHECK_STR(rotate(&c, first).reason, "CERTIFICATE_SUPERSEDED");
    CHECK(access_certificate_counts(core.access, "hal", second));
    client_done(&c);
}

/* Two rotations at once of one certificate: the first has it. */
static void test_a_certificate_is_renewed_once(void)
{
    struct client c;
    struct ended first = {.calls = 0}, second = {.calls = 0};
    struct pki_certificate a = {0}, b = {0};
    client_init(&c);
    enroll(&c, "ida");
    CHECK_INT(
        access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &a, on_done, &first, &first.err),
        0);
    CHECK_INT(
        access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &b, on_done, &second, &second.err),
        0);
    await(2);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_STR(second.err.reason, "CERTIFICATE_SUPERSEDED");
    CHECK(access_certificate_counts(core.access, "ida", a.serial));
    pki_certificate_done(&a);
    pki_certificate_done(&b);
    client_done(&c);
}

static void test_a_revocation_that_fails_is_none(void)
{
    struct client c, more;
    struct ended e = {.calls = 0};
    struct identity copy;
    client_init(&c);
    client_init(&more);
    enroll(&c, "greg");
    make_token(&more, "greg");
    fault("identities=full");
    CHECK_INT(access_revoke(&core, &owner, "greg", &copy, on_done, &e, &e.err), 0);
    await(1);
    CHECK_STR(e.err.reason, "STORE_UNAVAILABLE");
    CHECK(access_certificate_counts(core.access, "greg", c.certificate.serial));
    CHECK(has_token(&more));
    no_fault();
    CHECK_INT(access_revoke(&core, &owner, "greg", &copy, on_done, &e, &e.err), 0);
    CHECK(access_certificate_counts(core.access, "greg", c.certificate.serial));
    await(1);
    CHECK_INT(e.err.code, ERR_NONE);
    CHECK(copy.revoked);
    CHECK(!access_certificate_counts(core.access, "greg", c.certificate.serial));
    CHECK(!has_token(&more));
    close_core();
    open_core();
    CHECK(access_find(core.access, "greg")->revoked);
    CHECK(!has_token(&more));
    char longer[PRINCIPAL_BYTES + 8];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CHECK_INT(access_revoke(&core, &owner, longer, &copy, on_done, &e, &e.err), -1);
    CHECK_INT(e.err.code, ERR_NOT_FOUND);
    client_done(&c);
    client_done(&more);
}

int main(void)
{
    begin_world();
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_a_rotation_that_fails_leaves_the_old_certificate);
    RUN(test_only_the_newest_certificate_is_renewed);
    RUN(test_a_certificate_is_renewed_once);
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_a_revocation_that_fails_is_none);
    return end_world();
}

#else

int main(void)
{
    return check_skip("needs a build with faults");
}

#endif
