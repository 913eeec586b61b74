"""A local S3 server, and what Spark and pyarrow need to reach it."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

from jars import fetch, hadoop_version
from sparkeeper.local.ports import HOST, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

BUCKET = "tables"

# What S3A uses of AWS's SDK is 18 MB; the bundle of all of it, which Hadoop names instead, is 600.
_SDK = "2.35.4"
_SDK_MODULES = ("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client")


class S3:
    """Starts with a bucket when it is entered, and ends with it."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        self._server = ThreadedMotoServer(ip_address=HOST, port=port, verbose=False)
        self.endpoint = f"http://{HOST}:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        self.client.create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def client(self) -> Any:
        """A client of its own, to look from outside."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 - nobody checks it
        )

    def keys(self, below: str) -> list[str]:
        """Return the keys below a path in the bucket, relative to it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{below}/")
        return [entry["Key"].removeprefix(f"{below}/") for page in pages for entry in page.get("Contents", ())]

    def spark_settings(self, jars: list[Path]) -> dict[str, str]:
        """Return the settings of a Spark that reaches it by S3A."""
        s3a = {
            "endpoint": self.endpoint,
            "endpoint.region": "us-east-1",
            "path.style.access": "true",
            "access.key": "key",
            "secret.key": "secret",
            "connection.ssl.enabled": "false",
        }
        paths = ",".join(map(str, jars))
        return {"spark.jars": paths, **{f"spark.hadoop.fs.s3a.{key}": value for key, value in s3a.items()}}

    def magic_settings(self, jars: list[Path]) -> dict[str, str]:
        """Return the settings of a Spark that commits its tasks by S3A's magic committer."""
        committer = "org.apache.spark.internal.io.cloud"
        return {
            **self.spark_settings(jars),
            "spark.hadoop.fs.s3a.committer.name": "magic",
            "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": (
                "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory"
            ),
            "spark.sql.sources.commitProtocolClass": f"{committer}.PathOutputCommitProtocol",
            "spark.sql.parquet.output.committer.class": f"{committer}.BindingParquetOutputCommitter",
        }

    @contextlib.contextmanager
    def copies(self) -> Iterator[list[str]]:
        """Collect the keys that are copied to within the block."""
        recorder = f"{self.endpoint}/moto-api/recorder"

        def ask(what: str, method: str = "POST") -> bytes:
            request = urllib.request.Request(f"{recorder}/{what}", method=method)  # noqa: S310 - our own server
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                return bytes(answer.read())

        found: list[str] = []
        ask("reset-recording")
        ask("start-recording")
        try:
            yield found
        finally:
            ask("stop-recording")
            requests = [json.loads(line) for line in ask("download-recording", "GET").splitlines()]
            found += [one["url"] for one in requests if "x-amz-copy-source" in {key.lower() for key in one["headers"]}]

    def environment(self) -> dict[str, str]:
        """Return what a client of AWS's takes from its environment."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }


def committer_jars(work: Path) -> list[Path]:
    """Return the jar that binds Spark's writers to committers of Hadoop's: the newest that Maven Central has."""
    return fetch(["org.apache.spark:spark-hadoop-cloud_2.13:4.1.2!"], work)


def s3a_jars(work: Path) -> list[Path]:
    """Return the jars that S3A needs and PySpark lacks."""
    sdk = [f"software.amazon.awssdk:{module}:{_SDK}" for module in _SDK_MODULES]
    sdk.append("software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:1.3.1!")
    found = fetch([f"org.apache.hadoop:hadoop-aws:{hadoop_version()}!", *sdk], work)
    # PySpark has loggers of its own.
    return [jar for jar in found if not jar.name.startswith("slf4j")]
