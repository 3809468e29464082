"""What the tests of updates share: bundles of several versions, made of the one that ships."""

import json
import shutil

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_manifest import MANIFEST_NAME, SIGNATURE_NAME
from edge.bundle_writing import seal

__all__ = ["SHIPPED_VERSION", "make_bundle", "use"]

SHIPPED_VERSION = open_bundle().bundle_version


def make_bundle(folder, version, mark=""):
    """Make a bundle of a version in a folder, once; a mark makes another one of the same version."""
    path = folder / f"bundle-{version}{mark}"
    if not path.exists():
        shutil.copytree(DEFAULT_BUNDLE, path)
        (path / SIGNATURE_NAME).unlink(missing_ok=True)
        manifest = json.loads((path / MANIFEST_NAME).read_bytes())
        manifest |= {"bundle_version": version, "author": mark or None}
        (path / MANIFEST_NAME).write_text(json.dumps(manifest))
        seal(path)
    return path


def use(slots, bundle, **more):
    """Put a bundle into use, all the way."""
    slots.stage(bundle, **more)
    slots.accept_trial()
    return slots.confirm()
