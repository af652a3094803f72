"""Every shape and type annotation of the package is checked while the tests run (jaxtyping with beartype)."""

from jaxtyping import install_import_hook

install_import_hook("colorbench", "beartype.beartype")
