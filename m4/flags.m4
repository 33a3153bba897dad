dnl SG_ADD_FLAG(VARIABLE, FLAG): append FLAG to VARIABLE if the compiler and
dnl the linker take it without a warning.
AC_DEFUN([SG_ADD_FLAG], [
	AC_MSG_CHECKING([whether $CC supports $2])
	sg_saved_cflags="$CFLAGS"
	CFLAGS="$CFLAGS -Werror $2"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]],
	    [[char b[64]; return snprintf(b, sizeof(b), "%d", 1) < 0;]])],
	    [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
	CFLAGS="$sg_saved_cflags"
])

dnl SG_NEED(VARIABLE, PKG-CONFIG MODULE, DEBIAN PACKAGE): collect what is
dnl missing, so that one run of configure names everything.
AC_DEFUN([SG_NEED], [
	PKG_CHECK_MODULES([$1], [$2], [],
	    [sg_missing="$sg_missing
    $2 (Debian package $3)"; sg_packages="$sg_packages $3"])
])

dnl SG_NEED_HEADER(VARIABLE, HEADER, LIBS, DEBIAN PACKAGE)
AC_DEFUN([SG_NEED_HEADER], [
	AC_CHECK_HEADER([$2], [$1_LIBS="$3"; AC_SUBST([$1_LIBS])],
	    [sg_missing="$sg_missing
    $2 (Debian package $4)"; sg_packages="$sg_packages $4"])
])
