# The version: git describe in a checkout of its own, else the project's. Run as a script it writes
# the header, and only where it differs, so that a build after a commit compiles the few files that
# include it:
#
#   cmake -DSOURCE=… -DOUT=…/version.h -DFALLBACK=0.1.0 -P BangerVersion.cmake

if(CMAKE_SCRIPT_MODE_FILE)
    set(version ${FALLBACK})
    find_program(git git)
    if(git AND EXISTS ${SOURCE}/.git)
        execute_process(COMMAND ${git} -C ${SOURCE} describe --tags --always --dirty
                        OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE
                        ERROR_QUIET RESULT_VARIABLE failed)
        # Without a tag there is only the commit.
        if(failed EQUAL 0 AND described MATCHES "^v?[0-9]+\\.[0-9]")
            string(REGEX REPLACE "^v" "" version "${described}")
        elseif(failed EQUAL 0 AND described)
            set(version "${FALLBACK}-g${described}")
        endif()
    endif()
    file(CONFIGURE OUTPUT ${OUT} CONTENT
         "/* Made by cmake/BangerVersion.cmake at each build, where it changes. */
#ifndef BANGER_BASE_VERSION_H
#define BANGER_BASE_VERSION_H
#define BANGER_VERSION \"${version}\"
#endif
")
    return()
endif()

set(BANGER_VERSION_FILE ${CMAKE_BINARY_DIR}/generated/base/version.h)
set(make_version ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${BANGER_VERSION_FILE}
                 -DFALLBACK=${PROJECT_VERSION} -P ${CMAKE_CURRENT_LIST_FILE})
execute_process(COMMAND ${make_version}) # for tools that look at sources before anything is built
add_custom_target(banger_version
    COMMAND ${make_version}
    BYPRODUCTS ${BANGER_VERSION_FILE}
    VERBATIM)

# banger_use_version(TARGET): its files may include "base/version.h".
function(banger_use_version target)
    target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/generated)
    add_dependencies(${target} banger_version)
endfunction()
