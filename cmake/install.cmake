# What `cmake --install` lays down: all that the Debian package has, except the account
# (systemd-sysusers makes it from the file in sysusers.d).
# mailmux reads /etc/mailmux/proxy.ini unless -c says otherwise, whatever the prefix is.
set(CMAKE_INSTALL_SYSCONFDIR "/etc" CACHE PATH "Where mailmux/proxy.ini is")
include(GNUInstallDirs)
set(MAILMUX_UNIT_DIR "lib/systemd/system" CACHE PATH "Where systemd's units go")

set(configuration ${CMAKE_INSTALL_FULL_SYSCONFDIR}/mailmux)
string(REGEX REPLACE "^/" "" profile ${CMAKE_INSTALL_FULL_SBINDIR}/mailmux)
string(REPLACE "/" "." profile ${profile})

# Where mailmux is installed there is an account for it, which a recipe that names none gets here.
file(GLOB recipes CONFIGURE_DEPENDS deploy/recipes/*.ini)
foreach(recipe ${recipes})
  file(READ ${recipe} text)
  if(NOT text MATCHES "\nuser = ")
    string(PREPEND text "# The account that the installation brings.\n[proxy]\nuser = mailmux\n\n")
  endif()
  get_filename_component(name ${recipe} NAME)
  file(CONFIGURE OUTPUT deploy/recipes/${name} CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${recipe})
endforeach()

install(TARGETS mailmux RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})

foreach(file systemd/mailmux.service apparmor/mailmux)
  configure_file(deploy/${file}.in ${PROJECT_BINARY_DIR}/deploy/${file} @ONLY)
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/deploy/systemd/mailmux.service DESTINATION ${MAILMUX_UNIT_DIR})
install(FILES deploy/systemd/mailmux.sysusers
  DESTINATION lib/sysusers.d RENAME mailmux.conf)
install(FILES ${PROJECT_BINARY_DIR}/deploy/apparmor/mailmux
  DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/apparmor.d RENAME ${profile})
install(FILES deploy/fail2ban/mailmux.conf
  DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/fail2ban/filter.d OPTIONAL)
install(FILES deploy/completions/mailmux DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

install(FILES docs/man/mailmux.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/man/mailmux.ini.5 docs/man/proxy.ini.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/operator DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY ${PROJECT_BINARY_DIR}/deploy/recipes DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES proxy.ini deploy/systemd/mailmux.socket DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(PROGRAMS deploy/certbot/mailmux DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples/certbot)

# A configuration that is there is the administrator's: it stays, and the new one lies beside it.
install(CODE "
  set(there \"\$ENV{DESTDIR}${configuration}\")
  file(MAKE_DIRECTORY \"\${there}\")
  if(EXISTS \"\${there}/proxy.ini\")
    configure_file(\"${PROJECT_SOURCE_DIR}/deploy/proxy.ini\" \"\${there}/proxy.ini.new\" COPYONLY)
    message(STATUS \"Kept: \${there}/proxy.ini; the new one is proxy.ini.new\")
  else()
    configure_file(\"${PROJECT_SOURCE_DIR}/deploy/proxy.ini\" \"\${there}/proxy.ini\" COPYONLY)
    message(STATUS \"Installing: \${there}/proxy.ini\")
  endif()")
