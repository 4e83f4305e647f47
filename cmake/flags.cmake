# Compiler and linker flags of every target: warnings as errors, sanitizers, hardening.

add_library(mailmux_flags INTERFACE)
target_compile_definitions(mailmux_flags INTERFACE
  _GNU_SOURCE MAILMUX_VERSION="${PROJECT_VERSION}")
target_compile_options(mailmux_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wswitch-enum -Wstrict-prototypes -Wmissing-prototypes
  -Wvla -Wformat=2 -Wundef -Wno-unused-parameter -Werror
  -fno-common -fno-strict-aliasing -fno-omit-frame-pointer)

# Symbols are bound at start in every build: the resolver of lazy binding saves the vector registers
# on the stack, and on processors with wide ones a secret that was just copied stays there.
target_link_options(mailmux_flags INTERFACE -Wl,-z,now)

if(MAILMUX_SANITIZE)
  target_compile_options(mailmux_flags INTERFACE
    -fsanitize=${MAILMUX_SANITIZE} -fno-sanitize-recover=undefined)
  target_link_options(mailmux_flags INTERFACE -fsanitize=${MAILMUX_SANITIZE})
endif()

if(MAILMUX_FUZZ)
  target_compile_options(mailmux_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(MAILMUX_HARDEN)
  include(CheckCCompilerFlag)
  target_compile_options(mailmux_flags INTERFACE
    -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2)
  check_c_compiler_flag(-fcf-protection=full MAILMUX_HAS_CET)
  if(MAILMUX_HAS_CET)
    target_compile_options(mailmux_flags INTERFACE -fcf-protection=full)
  endif()
  target_link_options(mailmux_flags INTERFACE -pie -Wl,-z,relro -Wl,-z,noexecstack)
endif()
