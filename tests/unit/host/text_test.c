/* daemon/host/apt and rootfs_text: what apt and mmdebstrap say, read; digests of known texts. */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/host/apt.h"
#include "daemon/host/digest.h"
#include "daemon/host/rootfs.h"
#include "daemon/host/rootfs_text.h"
#include "tests/support/check.h"
#include "tests/unit/host/made.h"

static void test_depends(void)
{
    char package[APT_NAME_BYTES];
    CHECK_INT(apt_find_depends("Package: linux-image-cloud-amd64\n"
                               "Depends: base-files, linux-image-6.1.0-40-cloud-amd64 (= 6.1.1-1)\n"
                               "Description: x\n",
                               "linux-image-", "-cloud-amd64", package, NULL),
              0);
    CHECK_STR(package, "linux-image-6.1.0-40-cloud-amd64");
    CHECK_INT(apt_find_depends("", "linux-image-", "-cloud-amd64", package, NULL), -1);
    CHECK_INT(apt_find_depends("Depends: linux-image-cloud-amd64\n", "linux-image-", "-cloud-amd64",
                               package, NULL),
              -1);
}

static void test_uris(void)
{
    char file[APT_NAME_BYTES];
    uint64_t bytes = 0;
    CHECK_INT(apt_parse_uris("Reading lists...\n"
                             "'http://deb.debian.org/a/l_1%3a6_amd64.deb' l_1%3a6_amd64.deb 4711 "
                             "SHA256:00\n",
                             file, &bytes, NULL),
              0);
    CHECK_STR(file, "l_1%3a6_amd64.deb");
    CHECK_INT(bytes, 4711);
    static const char *const bad[] = {"",
                                      "'",
                                      "'http://example.org/x",
                                      "'http://example.org/x' ../../etc/x.deb 1",
                                      "'http://example.org/x' .deb 1",
                                      "'http://example.org/x' a.txt 1",
                                      "'http://example.org/x' a.deb"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(apt_parse_uris(bad[i], file, &bytes, NULL), -1);
}

static void test_sources(void)
{
    auto_free char *sources = NULL;
    CHECK_INT(
        apt_sources_of_targets("Debian|bookworm|main|http://deb.debian.org/debian/\n"
                               "Debian|bookworm|main|http://deb.debian.org/debian/\n"
                               "Debian|bookworm|contrib|http://deb.debian.org/debian/\n"
                               "Debian|trixie|main|http://deb.debian.org/debian/\n"
                               "Debian|bookworm-backports|main|http://deb.debian.org/debian/\n"
                               "Docker|bookworm|stable|http://example.org/\n"
                               "broken\n|||\n"
                               "Debian|bookworm-security|main|http://example.org/sec/\n",
                               "bookworm", &sources, NULL),
        0);
    CHECK_STR(sources, "deb http://deb.debian.org/debian/ bookworm main\n"
                       "deb http://example.org/sec/ bookworm-security main\n");
}

static void test_apt_options(void)
{
    auto_free char *options = NULL;
    CHECK_INT(rootfs_text_apt_options("Acquire \"\";\nAcquire::http \"\";\n"
                                      "Acquire::http::Proxy \"http://localhost:3128\";\n"
                                      "Acquire::Languages:: \"none\";\nAcquire::Retries \"3\";\n",
                                      &options, NULL),
              0);
    CHECK_STR(options,
              "Acquire::http::Proxy \"http://localhost:3128\";\nAcquire::Retries \"3\";\n");
}

static void test_image_sources_are_public(void)
{
    char text[1024];
    rootfs_text_sources("bookworm", text, sizeof(text));
    CHECK_CONTAINS(text, "Suites: bookworm bookworm-updates\n");
    CHECK_CONTAINS(text, "Suites: bookworm-security\n");
}

static void test_progress(void)
{
    CHECK_INT(rootfs_parse_progress("I: installing essential packages..."), 30);
    CHECK_INT(rootfs_parse_progress("I: success in 12.1 seconds"), 80);
    CHECK_INT(rootfs_parse_progress("W: something"), -1);
    CHECK_INT(rootfs_parse_progress(""), -1);
    CHECK_INT(rootfs_parse_progress("I: "), -1);
}

static void test_os(void)
{
    char os[32];
    rootfs_parse_os("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", os, sizeof(os));
    CHECK_STR(os, "Debian GNU/Linux 12");
    rootfs_parse_os("PRETTY_NAME=Plain", os, sizeof(os));
    CHECK_STR(os, "Plain");
    rootfs_parse_os("PRETTY_NAME=\"0123456789012345678901234567890123456789\"", os, sizeof(os));
    CHECK_STR(os, "0123456789012345678901234567890");
    rootfs_parse_os("", os, sizeof(os));
    CHECK_STR(os, "Linux");
    rootfs_parse_os("PRETTY_NAME=\"\"\n", os, sizeof(os));
    CHECK_STR(os, "Linux");
}

static void test_digest(void)
{
    char digest[DIGEST_BYTES], path[512];
    struct err err = ERR_INIT;
    const char *folder = made_folder();
    made_file(folder, "abc", "abc", 3);
    snprintf(path, sizeof(path), "%s/abc", folder);
    CHECK_INT(digest_file(path, NULL, digest, &err), 0);
    CHECK_STR(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_INT(digest_bytes("", 0, digest, &err), 0);
    CHECK_STR(digest, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    atomic_bool cancelled = true;
    CHECK_INT(digest_file(path, &cancelled, digest, &err), -1);
    CHECK_INT(err.code, ERR_CANCELLED);
    made_folder_done();
    CHECK_INT(digest_file(path, NULL, digest, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    RUN(test_depends);
    RUN(test_uris);
    RUN(test_sources);
    RUN(test_apt_options);
    RUN(test_image_sources_are_public);
    RUN(test_progress);
    RUN(test_os);
    RUN(test_digest);
    return check_end();
}
