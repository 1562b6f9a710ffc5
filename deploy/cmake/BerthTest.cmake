# berth_test(NAME LABEL label SOURCES … LINK …): one Catch2 executable. ctest knows each of its cases as
# "NAME:the case" and runs it alone, in the source directory. berth_test_main must exist. THREADS: it
# has more than one, so it is worth running under ThreadSanitizer. TIMEOUT: seconds for one case.
#
# A case that needs what this machine does not allow (mounts, control groups) says WARN("skipped: why")
# and returns; it counts as skipped.
#
# All of them are built by the target unit_and_os_tests, those with threads by thread_tests.
include(Catch)

add_custom_target(unit_and_os_tests)
add_custom_target(thread_tests)

function(berth_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "THREADS" "LABEL;TIMEOUT" "SOURCES;LINK")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE berth_options berth_warnings berth_test_main Catch2::Catch2 ${arg_LINK})
    add_dependencies(unit_and_os_tests ${name})
    if(arg_THREADS)
        add_dependencies(thread_tests ${name})
        # One word: a list does not reach the properties. `ctest -L` matches a part of it.
        string(APPEND arg_LABEL "-threads")
    endif()
    catch_discover_tests(${name} TEST_PREFIX "${name}:" WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
        EXTRA_ARGS -w NoTests PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
                   SKIP_REGULAR_EXPRESSION "skipped: ")
endfunction()
