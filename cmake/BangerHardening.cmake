# What Debian's hardening=+all gives its packages, in all our builds; hardening_test looks at what
# comes out. Asserts stay, whatever the build type.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
    string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()

set(BANGER_HARDENING -fstack-protector-strong -Wformat -Werror=format-security -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    list(APPEND BANGER_HARDENING -fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(APPEND BANGER_HARDENING -mbranch-protection=standard)
endif()
# Checked calls need optimisation, and would hide from the sanitizers what they look at.
set(BANGER_FORTIFY OFF)
if(NOT BANGER_SANITIZE AND CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$")
    set(BANGER_FORTIFY ON)
    list(APPEND BANGER_HARDENING -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
add_compile_options(${BANGER_HARDENING})
add_link_options(-Wl,-z,relro -Wl,-z,now)

# What a start reads is kept small: relocations as a bit map, and no code that nobody calls. Sanitizers
# add to sections of their own. The agent has flags of its own (musl's loader knows no such relocations).
if(BANGER_FORTIFY)
    add_compile_options(-ffunction-sections -fdata-sections)
    add_link_options(-Wl,--gc-sections -Wl,-z,pack-relative-relocs)
endif()
