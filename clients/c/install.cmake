# What users of libbanger get: cmake --install BUILD --component libbanger. The headers, ours and the
# messages', have a folder of their own; libbanger.pc and the CMake package name it, wherever all of
# it is moved.
include(CMakePackageConfigHelpers)
set(libbanger_include ${CMAKE_INSTALL_INCLUDEDIR}/libbanger)
set(libbanger_package ${CMAKE_INSTALL_LIBDIR}/cmake/banger)

install(TARGETS banger_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libbanger
        NAMELINK_COMPONENT libbanger)
install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/include/banger DESTINATION ${libbanger_include}
        COMPONENT libbanger FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_SOURCE_DIR}/gen/banger/methods.h ${CMAKE_SOURCE_DIR}/gen/banger/messages.h
        DESTINATION ${libbanger_include}/banger COMPONENT libbanger)
# What banger/messages.h includes, and what that includes.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/gen/banger/v1 DESTINATION ${libbanger_include}/banger
        COMPONENT libbanger FILES_MATCHING PATTERN "*.pb-c.h")
install(FILES ${CMAKE_SOURCE_DIR}/gen/grpc/health/v1/health.pb-c.h
        DESTINATION ${libbanger_include}/grpc/health/v1 COMPONENT libbanger)
install(FILES ${CMAKE_SOURCE_DIR}/gen/google/protobuf/descriptor.pb-c.h
              ${CMAKE_SOURCE_DIR}/gen/google/protobuf/timestamp.pb-c.h
        DESTINATION ${libbanger_include}/google/protobuf COMPONENT libbanger)

file(RELATIVE_PATH libbanger_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" libbanger_up ${libbanger_up})
configure_file(libbanger.pc.in libbanger.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/libbanger.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT libbanger)
configure_package_config_file(bangerConfig.cmake.in bangerConfig.cmake
                              INSTALL_DESTINATION ${libbanger_package}
                              PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
# Messages are of one minor version: docs/libbanger.md, "What stays".
write_basic_package_version_file(bangerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bangerConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/bangerConfigVersion.cmake
        DESTINATION ${libbanger_package} COMPONENT libbanger)
