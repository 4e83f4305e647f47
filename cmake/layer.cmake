# mailmux_layer(NAME [USES lower layers...] [LINKS libraries...])
# proxy/NAME/*.c as a static library. Contracts of the pure layers are in include/; the headers of
# the layers above stand beside their sources and are seen only by the layers that use them.
function(mailmux_layer name)
  cmake_parse_arguments(LAYER "" "" "USES;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/proxy/${name}/*.c)
  add_library(mailmux_${name} STATIC ${sources})
  target_include_directories(mailmux_${name} PUBLIC
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/proxy/${name})
  list(TRANSFORM LAYER_USES PREPEND mailmux_)
  target_link_libraries(mailmux_${name}
    PUBLIC ${LAYER_USES} ${LAYER_LINKS} Threads::Threads PRIVATE mailmux_flags)
endfunction()
