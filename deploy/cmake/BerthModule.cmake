# berth_module(): one static library per directory, and the check that no library links upwards.

find_program(BERTH_CCACHE ccache)
if(BERTH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Paths below the source folder count as relative ones: every clone on this machine shares the cache.
    set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${BERTH_CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(BERTH_LLD ld.lld)

add_library(berth_warnings INTERFACE)
target_compile_options(berth_warnings INTERFACE
    -Werror -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
    -Woverloaded-virtual -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum -Wduplicated-cond
    -Wlogical-op -Wsuggest-override)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # For the fuzz targets; what is a fault is decided by gcc.
    target_compile_options(berth_warnings INTERFACE -Wno-error -Wno-unknown-warning-option)
endif()
if(BERTH_SANITIZE MATCHES "thread")
    # Its instrumentation makes gcc 12 see std::optional values that are read without being set.
    target_compile_options(berth_warnings INTERFACE -Wno-maybe-uninitialized)
endif()

add_library(berth_options INTERFACE)
target_include_directories(berth_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(berth_options INTERFACE _GNU_SOURCE BERTH_VERSION="${PROJECT_VERSION}")
if(BERTH_LLD)
    target_link_options(berth_options INTERFACE -fuse-ld=lld)
endif()
if(BERTH_SANITIZE)
    target_compile_options(berth_options INTERFACE -fsanitize=${BERTH_SANITIZE} -fno-omit-frame-pointer
                                                   -fno-sanitize-recover=all)
    target_link_options(berth_options INTERFACE -fsanitize=${BERTH_SANITIZE})
    target_compile_definitions(berth_options INTERFACE BERTH_SANITIZED)
endif()
if(BERTH_FUZZ)
    target_compile_options(berth_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Makes the static library NAME of the current directory's SOURCES.
function(berth_module name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC berth_options ${arg_PUBLIC} PRIVATE berth_warnings ${arg_PRIVATE})
    set_property(GLOBAL APPEND PROPERTY BERTH_MODULES ${name})
endfunction()

# A thin executable in DIRECTORY/main.cpp.
function(berth_executable name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE berth_options berth_warnings ${arg_LINK})
endfunction()

# What a library may never link: pairs of patterns "who" and "what".
set(BERTH_FORBIDDEN
    "^shared_"                                   "^(agent|controller)_"
    "^agent_"                                    "^controller_"
    "^controller_"                               "^agent_"
    "^shared_base$"                              "^shared_"
    "^shared_(time|model|json)$"                 "^shared_(os|loop|bus|wire|config|log|command)$"
    "^shared_(os|log|wire|config|command)$"      "^shared_(loop|bus)$"
    "^agent_supervisor$"                         "^shared_(os|loop|bus|wire|config)$"
    "^agent_keeper$"                             "^(shared_(wire|bus|config|command)|agent_(supervisor|native|figures|apps|store|control|app|cli))$")

function(berth_check_layers)
    get_property(modules GLOBAL PROPERTY BERTH_MODULES)
    list(LENGTH BERTH_FORBIDDEN count)
    math(EXPR last "${count} - 1")
    foreach(module IN LISTS modules)
        get_target_property(links ${module} LINK_LIBRARIES)
        foreach(i RANGE 0 ${last} 2)
            math(EXPR j "${i} + 1")
            list(GET BERTH_FORBIDDEN ${i} who)
            list(GET BERTH_FORBIDDEN ${j} what)
            if(module MATCHES "${who}")
                foreach(link IN LISTS links)
                    if(link MATCHES "${what}")
                        message(FATAL_ERROR "layering: ${module} must not link ${link}")
                    endif()
                endforeach()
            endif()
        endforeach()
    endforeach()
endfunction()
