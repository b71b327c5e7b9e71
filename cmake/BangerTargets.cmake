# How targets are made here: one function for libraries and programs' flags, one for tests.

add_compile_definitions(_GNU_SOURCE)
# Asserts name their file as it is called in this tree, wherever that lies.
add_compile_options(-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
set(BANGER_WARNINGS
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Texts are cut to their fields on purpose; gcc warns of it as soon as it optimises.
    list(APPEND BANGER_WARNINGS -Wno-format-truncation)
endif()
set(BANGER_SANITIZE "")
if(BANGER_ASAN)
    list(APPEND BANGER_SANITIZE -fsanitize=address,undefined -fno-sanitize-recover=undefined
         -fno-omit-frame-pointer)
endif()
if(BANGER_TSAN)
    list(APPEND BANGER_SANITIZE -fsanitize=thread -fno-omit-frame-pointer)
endif()
if(BANGER_FUZZ)
    list(APPEND BANGER_SANITIZE -fsanitize=fuzzer-no-link)
endif()
if(BANGER_COVERAGE)
    list(APPEND BANGER_SANITIZE --coverage)
endif()
add_compile_options(${BANGER_SANITIZE})
add_link_options(${BANGER_SANITIZE})

include(BangerHardening)

# banger_flags(TARGET): our warnings and include root; never for generated code.
function(banger_flags target)
    target_compile_options(${target} PRIVATE ${BANGER_WARNINGS})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
endfunction()

# banger_library(NAME SOURCES … LINK …): a static library.
function(banger_library name)
    cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
    add_library(${name} STATIC ${A_SOURCES})
    banger_flags(${name})
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${A_LINK})
endfunction()

# banger_faults(TARGET): it has faults that the environment can ask for, where they are wanted; never
# in what is given to users, whatever an older build folder remembers.
function(banger_faults target)
    if(BANGER_FAULTS AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
        target_compile_definitions(${target} PUBLIC BANGER_FAULTS)
    endif()
endfunction()

# banger_test(NAME SOURCES … LINK … LABELS … TIMEOUT seconds): one program, one ctest entry.
# Exit code 77 means skipped (with the reason on its last line).
function(banger_test name)
    cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
    if(NOT A_TIMEOUT)
        set(A_TIMEOUT 60)
    endif()
    add_executable(${name} ${A_SOURCES})
    banger_flags(${name})
    target_link_libraries(${name} PRIVATE ${A_LINK})
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} SKIP_RETURN_CODE 77
                         LABELS "${A_LABELS}")
endfunction()

# banger_waits(TEST…): they wait most of their time, for deadlines and back-offs, and want little of a
# processor: `./dev test` runs many of them at once.
function(banger_waits)
    foreach(name ${ARGN})
        set_property(TEST ${name} APPEND PROPERTY LABELS waits)
    endforeach()
endfunction()

# banger_names_of(OUT HEADER MACRO): the names in "#define MACRO(X) X(a) X(b)", or in "X(A, a) X(B, b)".
function(banger_names_of out header macro)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${header})
    file(READ ${CMAKE_SOURCE_DIR}/${header} text)
    string(REPLACE "\\\n" " " text "${text}")
    string(REGEX MATCH "#define ${macro}\\(X\\)[^\n]*" text "${text}")
    string(REGEX MATCHALL "X\\([^()]*[a-z0-9_]+\\)" names "${text}")
    list(TRANSFORM names REPLACE "^X\\(([A-Z0-9_]+, )?(.*)\\)$" "\\2")
    if(NOT names)
        message(FATAL_ERROR "${header} has no ${macro}(X)")
    endif()
    set(${out} ${names} PARENT_SCOPE)
endfunction()

# banger_recipe_test(NAME SCRIPT): walks a recipe of docs/HACKING.md (tests/support/recipe.sh).
function(banger_recipe_test name script)
    add_test(NAME ${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77 LABELS "integration;recipe")
endfunction()

# banger_fuzz(NAME SOURCES … LINK … CORPUS folder): a libFuzzer program with -DBANGER_FUZZ=ON, and in
# every other build a program that runs the corpus once, as a plain test.
function(banger_fuzz name)
    cmake_parse_arguments(A "" "CORPUS" "SOURCES;LINK" ${ARGN})
    if(BANGER_FUZZ)
        add_executable(${name} ${A_SOURCES})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        # Programs and their corpora side by side in one folder, for `./dev fuzz`.
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                              ${CMAKE_BINARY_DIR}/targets)
        file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/targets)
        file(CREATE_LINK ${A_CORPUS} ${CMAKE_BINARY_DIR}/targets/${name}.corpus SYMBOLIC)
    else()
        add_executable(${name} ${A_SOURCES} ${CMAKE_SOURCE_DIR}/tests/support/corpus_main.c)
        add_test(NAME ${name} COMMAND ${name} ${A_CORPUS})
        set_tests_properties(${name} PROPERTIES TIMEOUT 60 LABELS fuzz)
    endif()
    banger_flags(${name})
    target_link_libraries(${name} PRIVATE ${A_LINK})
endfunction()
