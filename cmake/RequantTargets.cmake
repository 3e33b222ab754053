# How this project builds anything. A folder's CMakeLists.txt says what is in it and what it stands
# on; warnings, sanitizers and the language level live here.

add_library(rq_options INTERFACE)
target_compile_features(rq_options INTERFACE cxx_std_20)
target_compile_options(
  rq_options
  INTERFACE -Wall
            -Wextra
            -Wshadow
            -Wnon-virtual-dtor
            -Wcast-qual
            -Wundef
            # GCC 12 sees overlaps in std::string's operator+ that are not there (its bug 105651),
            # and uninitialised members of std::optional and std::variant under sanitizers.
            $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-maybe-uninitialized>
            $<$<BOOL:${REQUANT_WERROR}>:-Werror>)
if(REQUANT_SANITIZE)
  target_compile_options(rq_options INTERFACE -Og -fsanitize=${REQUANT_SANITIZE}
                                              -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(rq_options INTERFACE -fsanitize=${REQUANT_SANITIZE})
endif()

find_program(RQ_MOLD mold)
if(RQ_MOLD)
  target_link_options(rq_options INTERFACE -fuse-ld=mold)
endif()

# rq_layer(NAME SOURCES ... HEADERS ... DEPENDS ... LINKS ... TESTS ...): one folder of src/, one
# library. A layer may include itself and the layers under DEPENDS; tools/check_layers.py holds it
# to that. TESTS are the *_test.cpp beside the sources; they form one program that links this layer
# and what it stands on, and nothing above.
function(rq_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;DEPENDS;LINKS;TESTS")
  add_library(rq_${name} STATIC ${arg_SOURCES})
  target_sources(rq_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES
                                   ${arg_HEADERS})
  target_include_directories(rq_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
                                               $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  target_compile_features(rq_${name} PUBLIC cxx_std_20)
  target_link_libraries(rq_${name} PRIVATE $<BUILD_INTERFACE:rq_options>)
  target_link_libraries(rq_${name} PUBLIC ${arg_LINKS})
  set_target_properties(rq_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
                                              VERIFY_INTERFACE_HEADER_SETS ON)
  foreach(dep ${arg_DEPENDS})
    target_link_libraries(rq_${name} PUBLIC rq_${dep})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY RQ_LAYERS rq_${name})
  list(JOIN arg_DEPENDS " " dependencies)
  set_property(GLOBAL APPEND PROPERTY RQ_LAYER_EDGES "${name}: ${dependencies}")
  if(REQUANT_TESTS AND arg_TESTS)
    rq_test(${name}_test SOURCES ${arg_TESTS} LINKS rq_${name} LABELS ${name})
  endif()
endfunction()

# rq_test(NAME SOURCES ... LINKS ... LABELS ...): one GoogleTest program; each TEST is a ctest entry.
# The definitions give it the test data in the tree and, where it is found, the whole corpus.
function(rq_test name)
  if(NOT REQUANT_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS;LABELS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} rq_test_support rq_options GTest::gtest
                                        GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300
                       # Allocation failure is a value here: the sanitizer must not abort on it.
                       ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1")
endfunction()

# rq_registry(NAME HEADER TYPE ENTRIES ...): the table of a layer's plug-ins, from one list of names.
# Each name is the stem of a .cpp that exports `extern const TYPE k_NAME_STEM;`.
function(rq_registry name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ENTRIES")
  set(text "")
  foreach(entry ${arg_ENTRIES})
    string(APPEND text "ENTRY(${entry})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.def CONTENT "${text}" @ONLY)
endfunction()
