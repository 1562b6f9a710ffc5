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
    list(GET arg_SOURCES 0 source)
    berth_note_room(${name} ${source})
endfunction()

# A thin executable in DIRECTORY/main.cpp.
function(berth_executable name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE berth_options berth_warnings ${arg_LINK})
    list(GET arg_SOURCES 0 source)
    berth_note_room(${name} ${source})
endfunction()

# --- layers

# Which room may use which: the table that tests/lint/check_sources.py reads too.
set(BERTH_LAYERS_FILE ${CMAKE_CURRENT_LIST_DIR}/layers.json)
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${BERTH_LAYERS_FILE})
file(READ ${BERTH_LAYERS_FILE} BERTH_LAYERS)

# The longest room of the table whose folder FOLDER is in, or a failure.
function(berth_room_of folder target out)
    set(room ${folder})
    while(room)
        string(JSON uses ERROR_VARIABLE none GET "${BERTH_LAYERS}" rooms ${room})
        if(NOT none)
            set(${out} ${room} PARENT_SCOPE)
            return()
        endif()
        cmake_path(GET room PARENT_PATH room)
    endwhile()
    message(FATAL_ERROR "layering: ${target}: no room in ${BERTH_LAYERS_FILE} has the folder ${folder}")
endfunction()

# All that ROOM may use, itself included, as the property BERTH_MAY_USE_<room>.
function(berth_close_over room)
    get_property(known GLOBAL PROPERTY BERTH_MAY_USE_${room} SET)
    if(known)
        return()
    endif()
    set_property(GLOBAL PROPERTY BERTH_MAY_USE_${room} ${room})
    string(JSON count LENGTH "${BERTH_LAYERS}" rooms ${room})
    set(all ${room})
    set(i 0)
    while(i LESS count)
        string(JSON below GET "${BERTH_LAYERS}" rooms ${room} ${i})
        berth_close_over(${below})
        get_property(more GLOBAL PROPERTY BERTH_MAY_USE_${below})
        list(APPEND all ${more})
        math(EXPR i "${i} + 1")
    endwhile()
    list(REMOVE_DUPLICATES all)
    set_property(GLOBAL PROPERTY BERTH_MAY_USE_${room} ${all})
endfunction()

# The room of the folder that TARGET's first source is in, noted at the target.
function(berth_note_room target source)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
    cmake_path(GET source PARENT_PATH folder)
    if(folder MATCHES "^tests(/|$)")
        return()
    endif()
    berth_room_of(${folder} ${target} room)
    set_target_properties(${target} PROPERTIES BERTH_ROOM ${room})
    set_property(GLOBAL APPEND PROPERTY BERTH_LAYERED ${target})
endfunction()

# Refuses links that the table does not allow. To be called when all targets are there.
function(berth_check_layers)
    get_property(targets GLOBAL PROPERTY BERTH_LAYERED)
    foreach(target IN LISTS targets)
        get_target_property(room ${target} BERTH_ROOM)
        berth_close_over(${room})
        get_property(allowed GLOBAL PROPERTY BERTH_MAY_USE_${room})
        get_target_property(links ${target} LINK_LIBRARIES)
        foreach(link IN LISTS links)
            if(NOT TARGET ${link})
                continue()
            endif()
            get_target_property(below ${link} BERTH_ROOM)
            if(below AND NOT below IN_LIST allowed)
                message(FATAL_ERROR "layering: ${target} must not link ${link}: "
                                    "${room} is not above ${below} in ${BERTH_LAYERS_FILE}")
            endif()
        endforeach()
    endforeach()
endfunction()
