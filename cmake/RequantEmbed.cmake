# rq_embed(TARGET SYMBOL FILES...): builds data files into TARGET. They are reached through
#   std::span<const EmbeddedFile> SYMBOL();   // in namespace requant; declare it where it is used
# in the order of their names. JSON files are checked while building.
include_guard()
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(rq_embed target symbol)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cpp)
  set(script ${PROJECT_SOURCE_DIR}/tools/embed.py)
  add_custom_command(
    OUTPUT ${out}
    COMMAND Python3::Interpreter ${script} --out ${out} --symbol ${symbol} ${ARGN}
    DEPENDS ${script} ${ARGN}
    COMMENT "Embedding ${symbol}"
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
