"""Hadoop's `FileSystem` as Python needs it: many paths a call, and errors of Python's own."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from py4j.protocol import Py4JError, Py4JJavaError

from sparkeeper.spark.jvm_functions import JvmFunctions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from py4j.java_gateway import JavaGateway, JavaObject

_FS = "org.apache.hadoop.fs.FileSystem"
_STATUS = "org.apache.hadoop.fs.FileStatus"
_PATH = "Lorg/apache/hadoop/fs/Path;"

_ERRORS = {
    "java.io.FileNotFoundException": FileNotFoundError,
    "java.nio.file.NoSuchFileException": FileNotFoundError,
    "org.apache.hadoop.fs.FileAlreadyExistsException": FileExistsError,
    "org.apache.hadoop.fs.ParentNotDirectoryException": NotADirectoryError,
    "org.apache.hadoop.security.AccessControlException": PermissionError,
    "java.nio.file.AccessDeniedException": PermissionError,
}


class Status(NamedTuple):
    """What Java's `FileStatus` says."""

    path: str
    """Absolute, without scheme and authority."""
    size: int
    modified: int
    """Milliseconds since 1970."""
    directory: bool


@contextlib.contextmanager
def os_errors() -> Iterator[None]:
    """Raise `OSError` where Java raised anything; a method wears it."""
    try:
        yield
    except Py4JJavaError as error:
        raise os_error(error.java_exception) from error
    except Py4JError as error:
        raise OSError(f"Spark's JVM does not answer: {error}") from error


def os_error(thrown: JavaObject) -> OSError:
    """Return the `OSError` for a Java exception: the cause, where that is a file's, says more than what wraps it."""
    found = thrown
    while thrown is not None:
        name = thrown.getClass().getName()
        if name in _ERRORS:
            return _ERRORS[name](_first_line(thrown))
        found, thrown = thrown, thrown.getCause()
    return OSError(_first_line(found))


def _first_line(thrown: JavaObject) -> str:
    """Say what was thrown; a server's message goes on with a stack trace of its own."""
    return str(thrown.toString()).partition("\n")[0]


class HadoopCalls:
    """One `FileSystem`; paths are full URIs, not escaped."""

    def __init__(self, gateway: JavaGateway, fs: JavaObject) -> None:
        """Call `fs`, an object in the JVM behind py4j's `gateway`."""
        self._gateway = gateway
        self._jvm = gateway.jvm
        self._fs = fs
        self._functions = JvmFunctions(gateway)

    @os_errors()
    def listing(self, directories: Sequence[str]) -> list[Status]:
        """Return what lies directly in some directories."""
        return _statuses(self._functions.each(self._list, directories))

    @os_errors()
    def walk(self, directory: str) -> list[Status]:
        """Return the files at any depth; an object store answers with a thousand at a time."""
        return _statuses(self._functions.each(self._walk, [directory]))

    @os_errors()
    def rename(self, sources: Sequence[str], targets: Sequence[str]) -> list[bool]:
        """Rename each source to its target, and say which were renamed."""
        return [answer == "true" for answer in self._functions.each(self._rename, sources, targets)]

    @os_errors()
    def delete(self, paths: Sequence[str]) -> None:
        """Delete files; those that are missing are as good."""
        self._functions.each(self._delete, paths)

    @os_errors()
    def make(self, directories: Sequence[str]) -> None:
        """Make directories, and those above them."""
        self._functions.each(self._make, directories)

    @os_errors()
    def delete_tree(self, directory: str) -> None:
        """Delete a directory with everything in it."""
        self._fs.delete(self._path(directory), True)  # noqa: FBT003 - Java's own

    @os_errors()
    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        stream = self._fs.open(self._path(path))
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    @os_errors()
    def write(self, path: str, data: bytes, *, parents: bool) -> None:
        """Write a file, over one that is there, and let it last where the file system knows how."""
        builder = self._fs.createFile(self._path(path)).overwrite(True)  # noqa: FBT003 - Java's own
        stream = (builder.recursive() if parents else builder).build()
        try:
            stream.write(data)
            if stream.hasCapability("hsync"):
                stream.hsync()
        finally:
            stream.close()

    @os_errors()
    def replace(self, source: str, target: str) -> None:
        """Rename over a file that is there."""
        self._rename_by_context(source, target, "OVERWRITE")

    @os_errors()
    def rename_whole(self, source: str, target: str) -> None:
        """Rename to a name that nothing has; `rename` would move a directory into one that is there."""
        self._rename_by_context(source, target, "NONE")

    def path_of(self, path: str) -> str:
        """Return the path without scheme and authority, as `Status` has it."""
        return str(self._path(path).toUri().getPath())

    def _rename_by_context(self, source: str, target: str, option: str) -> None:
        target_path = self._path(target)
        context = self._jvm.org.apache.hadoop.fs.FileContext.getFileContext(target_path.toUri(), self._fs.getConf())
        rename = self._jvm.org.apache.hadoop.fs.Options.Rename
        options = self._gateway.new_array(rename, 1)
        options[0] = getattr(rename, option)
        context.rename(self._path(source), target_path, options)

    def _path(self, text: str) -> JavaObject:
        return self._jvm.org.apache.hadoop.fs.Path(text)

    @cached_property
    def _new_path(self) -> JavaObject:
        return self._functions.constructor("org.apache.hadoop.fs.Path", "(Ljava/lang/String;)V")

    def _of_fs(self, name: str, descriptor: str) -> JavaObject:
        return self._functions.method(_FS, name, descriptor).bindTo(self._fs)

    @cached_property
    def _rename(self) -> JavaObject:
        return self._functions.filter(self._of_fs("rename", f"({_PATH}{_PATH})Z"), self._new_path, self._new_path)

    @cached_property
    def _delete(self) -> JavaObject:
        delete = self._functions.insert(self._of_fs("delete", f"({_PATH}Z)Z"), 1, False)
        return self._functions.filter(delete, self._new_path)

    @cached_property
    def _make(self) -> JavaObject:
        return self._functions.filter(self._of_fs("mkdirs", f"({_PATH})Z"), self._new_path)

    @cached_property
    def _list(self) -> JavaObject:
        functions = self._functions
        stream = functions.static("java.util.Arrays", "stream", "([Ljava/lang/Object;)Ljava/util/stream/Stream;")
        found = self._of_fs("listStatus", f"({_PATH})[L{_STATUS.replace('.', '/')};")
        return functions.chain(self._new_path, found, stream, functions.lines(self._status_text))

    @cached_property
    def _walk(self) -> JavaObject:
        functions = self._functions
        iterator = "Lorg/apache/hadoop/fs/RemoteIterator;"
        found = functions.insert(self._of_fs("listFiles", f"({_PATH}Z){iterator}"), 1, True)
        to_list = functions.static(
            "org.apache.hadoop.util.functional.RemoteIterators", "toList", f"({iterator})Ljava/util/List;"
        )
        stream = functions.method("java.util.Collection", "stream", "()Ljava/util/stream/Stream;")
        return functions.chain(self._new_path, found, to_list, stream, functions.lines(self._status_text))

    @cached_property
    def _status_text(self) -> JavaObject:
        functions = self._functions
        fields = [
            functions.method(_STATUS, "getLen", "()J"),
            functions.method(_STATUS, "getModificationTime", "()J"),
            functions.method(_STATUS, "isDirectory", "()Z"),
            functions.chain(
                functions.method(_STATUS, "getPath", f"(){_PATH}"),
                functions.method("org.apache.hadoop.fs.Path", "toUri", "()Ljava/net/URI;"),
                functions.method("java.net.URI", "getPath", "()Ljava/lang/String;"),
            ),
        ]
        text = functions.static(
            "java.lang.String",
            "format",
            "(Ljava/util/Locale;Ljava/lang/String;[Ljava/lang/Object;)Ljava/lang/String;",
        )
        given = functions.insert(text, 0, self._jvm.java.util.Locale.ROOT, "%d %d %b %s")
        collected = given.asCollector(given.type().parameterType(0), len(fields))
        return functions.spread(functions.filter(collected, *fields))


def _statuses(texts: Iterable[str]) -> list[Status]:
    """Read what `_status_text` says."""
    found = []
    for text in texts:
        if text:  # an empty directory's
            size, modified, directory, path = text.split(" ", 3)
            found.append(Status(path, int(size), int(modified), directory == "true"))
    return found
