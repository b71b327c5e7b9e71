# What is installed besides programs and library: documents and examples, in folders that lie to each
# other as they do here, so that their links hold; and the contract, for clients in other languages.
# The list of all files is tests/compat/installed.txt.
set(contract ${CMAKE_INSTALL_DATADIR}/banger/proto)
foreach(folder banger/v1 google/rpc grpc/health/v1 grpc/reflection/v1)
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/proto/${folder}/ DESTINATION ${contract}/${folder}
            COMPONENT banger FILES_MATCHING PATTERN "*.proto")
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT banger)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT banger
        FILES_MATCHING PATTERN "*.md")
foreach(example c/call_metadata.c c/follow_libevent.c c/follow_poll.c
        go/README.md go/connect.go go/generate.sh go/go.mod go/go.sum go/main.go
        node/README.md node/package-lock.json node/package.json node/run.js
        python/README.md python/generate.sh python/requirements.txt python/run.py)
    get_filename_component(folder ${example} DIRECTORY)
    set(kind FILES)
    if(example MATCHES "\\.(sh|py|js)$")
        set(kind PROGRAMS)
    endif()
    install(${kind} ${CMAKE_SOURCE_DIR}/examples/${example}
            DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples/${folder} COMPONENT banger)
endforeach()
file(RELATIVE_PATH way ${CMAKE_INSTALL_FULL_DOCDIR} ${CMAKE_INSTALL_PREFIX}/${contract})
file(CREATE_LINK ${way} ${CMAKE_BINARY_DIR}/generated/proto SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/generated/proto DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT banger)

# Nothing but what is installed.
add_custom_target(installed DEPENDS bangerd banger banger-agent banger-net banger-priv banger-ssh banger-ssh-proxy banger_shared banger_pages bangerd_pages)
