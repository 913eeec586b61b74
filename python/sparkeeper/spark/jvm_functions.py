"""Functions that Python composes and the JVM applies to many strings at once, in parallel.

A call from Python costs 0.2 to 1 ms and a file takes several. Method handles and streams are the JVM's own, so a
handful of calls serves any number of files, and no jar of ours is on anybody's classpath.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from py4j.java_gateway import JavaGateway, JavaObject

THREADS = 8

SEPARATOR = "\0"
"""No file system has it in a name."""


class JvmFunctions:
    """Composes method handles; types are written as the JVM's own descriptors."""

    def __init__(self, gateway: JavaGateway) -> None:
        """Compose in the JVM behind py4j's `gateway`."""
        self._gateway = gateway
        self._jvm = gateway.jvm
        self._loader = self._jvm.java.lang.Thread.currentThread().getContextClassLoader()
        self._handles = self._jvm.java.lang.invoke.MethodHandles
        self._lookup = self._handles.publicLookup()

    def type(self, descriptor: str) -> JavaObject:
        """Return a method's type, `(Ljava/lang/String;)Z` say."""
        return self._jvm.java.lang.invoke.MethodType.fromMethodDescriptorString(descriptor, self._loader)

    def method(self, owner: str, name: str, descriptor: str) -> JavaObject:
        """Return an instance's method as a function whose first argument is the instance."""
        return self._lookup.findVirtual(self._class(owner), name, self.type(descriptor))

    def static(self, owner: str, name: str, descriptor: str) -> JavaObject:
        """Return a class's method."""
        return self._lookup.findStatic(self._class(owner), name, self.type(descriptor))

    def constructor(self, owner: str, descriptor: str) -> JavaObject:
        """Return a constructor."""
        return self._lookup.findConstructor(self._class(owner), self.type(descriptor))

    def insert(self, function: JavaObject, position: int, *values: object) -> JavaObject:
        """Return `function` with some arguments given."""
        return self._handles.insertArguments(function, position, self._array("java.lang.Object", values))

    def chain(self, *functions: JavaObject) -> JavaObject:
        """Return the first function, then the next on what it returns, and so on; the types need not be equal."""
        first, *rest = functions
        for function in rest:
            taken = function.type().parameterType(0)
            first = self._handles.filterReturnValue(first.asType(first.type().changeReturnType(taken)), function)
        return first

    def filter(self, function: JavaObject, *filters: JavaObject) -> JavaObject:
        """Return `function` with each argument made by a function of its own."""
        taken = [
            each.asType(each.type().changeReturnType(function.type().parameterType(at)))
            for at, each in enumerate(filters)
        ]
        return self._handles.filterArguments(function, 0, self._array("java.lang.invoke.MethodHandle", taken))

    def spread(self, function: JavaObject) -> JavaObject:
        """Return a function of one value, which `function` gets as every argument; they must be of one type."""
        kind = function.type()
        one = self._jvm.java.lang.invoke.MethodType.methodType(kind.returnType(), kind.parameterType(0))
        reorder = self._gateway.new_array(self._jvm.int, kind.parameterCount())
        return self._handles.permuteArguments(function, one, reorder)

    def lines(self, function: JavaObject) -> JavaObject:
        """Return a function from a `Stream` to the text of its members by `function`."""
        map_ = self.method("java.util.stream.Stream", "map", "(Ljava/util/function/Function;)Ljava/util/stream/Stream;")
        return self.chain(
            self.insert(map_, 1, self._instance("java.util.function.Function", function)), self._joined_stream
        )

    def each(self, function: JavaObject, *columns: Sequence[str]) -> list[str]:
        """Apply a function to the rows of some columns of strings, and return its answers' texts, in order."""
        if not columns[0]:
            return []
        at = "([Ljava/lang/String;I)Ljava/lang/String;"
        getter = self._handles.arrayElementGetter(self.type(at).parameterType(0))
        made = self.filter(function, *(getter.bindTo(self._strings(column)) for column in columns))
        task = self._instance("java.util.function.IntFunction", self.chain(self.spread(made), self._text))
        stream = self._jvm.java.util.stream.IntStream.range(0, len(columns[0])).parallel().mapToObj(task)
        # A parallel stream that is started in a pool's thread stays in that pool, whose size is ours.
        work = self._instance("java.util.concurrent.Callable", self.insert(self._joined_stream, 0, stream))
        pool = self._jvm.java.util.concurrent.ForkJoinPool(THREADS)
        try:
            return str(pool.submit(work).get()).split(SEPARATOR)
        finally:
            pool.shutdown()

    @cached_property
    def _text(self) -> JavaObject:
        return self.static("java.lang.String", "valueOf", "(Ljava/lang/Object;)Ljava/lang/String;")

    @cached_property
    def _joined_stream(self) -> JavaObject:
        collect = self.method("java.util.stream.Stream", "collect", "(Ljava/util/stream/Collector;)Ljava/lang/Object;")
        return self.insert(collect, 1, self._jvm.java.util.stream.Collectors.joining(SEPARATOR))

    def _strings(self, texts: Sequence[str]) -> JavaObject:
        return self._jvm.java.util.regex.Pattern.compile(SEPARATOR).split(SEPARATOR.join(texts))

    def _instance(self, interface: str, function: JavaObject) -> JavaObject:
        proxies = self._jvm.java.lang.invoke.MethodHandleProxies
        return proxies.asInterfaceInstance(self._class(interface), function)

    def _class(self, name: str) -> JavaObject:
        return self._jvm.java.lang.Class.forName(name, True, self._loader)  # noqa: FBT003 - Java's own

    def _array(self, kind: str, values: Sequence[object]) -> JavaObject:
        # By parts, as py4j looks classes up.
        found = self._jvm
        for part in kind.split("."):
            found = getattr(found, part)
        array = self._gateway.new_array(found, len(values))
        for at, value in enumerate(values):
            array[at] = value
        return array
