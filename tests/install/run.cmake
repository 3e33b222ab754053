# Installs BUILD into a fresh prefix, builds the consumer project of this folder against it and runs it.
set(prefix ${BUILD}/install_test/prefix)
set(work ${BUILD}/install_test/consumer)
file(REMOVE_RECURSE ${BUILD}/install_test)
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work} -DCMAKE_PREFIX_PATH=${prefix} -DSANITIZE=${SANITIZE}
    -DCMAKE_CXX_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${work})
run(${work}/consumer ${FOLDER})
