import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.retry.ExponentialBackoffRetry;

/**
 * Curator's side of locks.py: one long-lived JVM that measures what it is told to, so that the compiler stays warm.
 *
 * <p>A request is one JSON line on stdin, an answer one on stdout; worker.py speaks the same protocol for the Python libraries.
 */
public final class CuratorLocks {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int PERMITS = 8;

    private record Request(String connect, String path, int width, double warmup, double seconds) {
        static Request of(JsonNode line) {
            return new Request(
                    line.get("connect").asText(), line.get("path").asText(), line.get("width").asInt(),
                    line.get("warmup").asDouble(), line.get("seconds").asDouble());
        }
    }

    private record Result(double count, double seconds) {}

    private interface Turn {
        void take() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err); // log4j prints to stdout until it is configured, and would break the protocol
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
            answers.flush();
        }
    }

    private static Object answer(JsonNode line) {
        try {
            return switch (line.get("op").asText()) {
                case "versions" -> versions();
                case "cycle" -> cycle(Request.of(line));
                case "parallel" -> parallel(Request.of(line));
                case "handoff" -> handoff(Request.of(line));
                case "semaphore" -> semaphore(Request.of(line));
                case "add" -> add(Request.of(line));
                case "lead" -> lead(Request.of(line));
                default -> Map.of("error", "unknown operation " + line.get("op"));
            };
        } catch (Exception failure) {
            return Map.of("error", failure.toString());
        }
    }

    private static Map<String, String> versions() {
        // Curator's jar names no version in its manifest's package section; its file name does.
        String jar = CuratorFramework.class.getProtectionDomain().getCodeSource().getLocation().getPath();
        String curator = jar.replaceAll(".*curator-framework-(.*)\\.jar", "$1");
        return Map.of("Curator", curator, "Java", Runtime.version().toString());
    }

    private static Result cycle(Request r) throws Exception {
        try (CuratorFramework client = client(r.connect)) {
            InterProcessMutex mutex = new InterProcessMutex(client, r.path);
            Turn turn = () -> {
                mutex.acquire();
                mutex.release();
            };
            repeat(turn, r.warmup);
            return repeat(turn, r.seconds);
        }
    }

    private static Result repeat(Turn turn, double seconds) throws Exception {
        long start = System.nanoTime();
        long end = start + (long) (seconds * 1e9);
        int count = 0;
        long now;
        do {
            turn.take();
            count++;
            now = System.nanoTime();
        } while (now < end);
        return new Result(count, (now - start) / 1e9);
    }

    private static Result parallel(Request r) throws Exception {
        try (CuratorFramework client = client(r.connect)) {
            LongAdder cycles = new LongAdder();
            List<Turn> turns = new ArrayList<>();
            for (int i = 0; i < r.width; i++) {
                InterProcessMutex mutex = new InterProcessMutex(client, r.path + "/" + i);
                turns.add(() -> {
                    mutex.acquire();
                    mutex.release();
                    cycles.increment();
                });
            }
            return window(turns, cycles::sum, r);
        }
    }

    private static Result semaphore(Request r) throws Exception {
        try (CuratorFramework client = client(r.connect)) {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, r.path, PERMITS);
            Turn turn = () -> semaphore.returnLease(semaphore.acquire());
            repeat(turn, r.warmup);
            return repeat(turn, r.seconds);
        }
    }

    /** Something that one session at a time has. */
    private interface Turns {
        void take() throws Exception;

        void end() throws Exception;
    }

    private static Result handoff(Request r) throws Exception {
        return passOn(r, (client, number) -> {
            InterProcessMutex mutex = new InterProcessMutex(client, r.path);
            return turns(mutex::acquire, mutex::release);
        });
    }

    /** A latch that was closed is not started again, so every term has its own. */
    private static Result lead(Request r) throws Exception {
        return passOn(r, (client, number) -> {
            AtomicReference<LeaderLatch> latch = new AtomicReference<>();
            return turns(
                    () -> {
                        latch.set(new LeaderLatch(client, r.path, Integer.toString(number)));
                        latch.get().start();
                        latch.get().await();
                    },
                    () -> latch.get().close());
        });
    }

    private static Turns turns(Turn take, Turn end) {
        return new Turns() {
            @Override
            public void take() throws Exception {
                take.take();
            }

            @Override
            public void end() throws Exception {
                end.take();
            }
        };
    }

    private interface Maker {
        Turns of(CuratorFramework client, int number);
    }

    /** Passes something between sessions; counts changes of who has it, and checks that only one does. */
    private static Result passOn(Request r, Maker maker) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        AtomicInteger inside = new AtomicInteger();
        LongAdder changes = new LongAdder();
        AtomicInteger last = new AtomicInteger(-1);
        try {
            List<Turn> turns = new ArrayList<>();
            for (int i = 0; i < r.width; i++) {
                int me = i;
                CuratorFramework client = client(r.connect);
                clients.add(client);
                Turns mine = maker.of(client, i);
                turns.add(() -> {
                    mine.take();
                    boolean alone = inside.incrementAndGet() == 1;
                    if (last.getAndSet(me) != me) {
                        changes.increment();
                    }
                    inside.decrementAndGet();
                    mine.end();
                    if (!alone) {
                        throw new IllegalStateException("two holders at once on " + r.path);
                    }
                });
            }
            return window(turns, changes::sum, r);
        } finally {
            clients.forEach(CuratorFramework::close);
        }
    }

    private static Result add(Request r) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        LongAdder added = new LongAdder();
        try {
            List<Turn> turns = new ArrayList<>();
            for (int i = 0; i < r.width; i++) {
                CuratorFramework client = client(r.connect);
                clients.add(client);
                DistributedAtomicLong counter =
                        new DistributedAtomicLong(client, r.path, new ExponentialBackoffRetry(1, 10, 20));
                turns.add(() -> {
                    if (counter.increment().succeeded()) { // else it lost every race, and added nothing
                        added.increment();
                    }
                });
            }
            return window(turns, added::sum, r);
        } finally {
            clients.forEach(CuratorFramework::close);
        }
    }

    private interface Counter {
        long sum();
    }

    /** Runs every turn in a loop of its own thread and counts what happens between two instants. */
    private static Result window(List<Turn> turns, Counter counter, Request r) throws Exception {
        AtomicReference<Exception> failure = new AtomicReference<>();
        AtomicInteger stop = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (Turn turn : turns) {
            Thread thread = new Thread(() -> {
                try {
                    while (stop.get() == 0) {
                        turn.take();
                    }
                } catch (Exception e) {
                    failure.compareAndSet(null, e);
                }
            });
            thread.setDaemon(true);
            thread.start();
            threads.add(thread);
        }
        TimeUnit.NANOSECONDS.sleep((long) (r.warmup * 1e9));
        long before = counter.sum();
        long start = System.nanoTime();
        TimeUnit.NANOSECONDS.sleep((long) (r.seconds * 1e9));
        long count = counter.sum() - before;
        double elapsed = (System.nanoTime() - start) / 1e9;
        stop.set(1);
        for (Thread thread : threads) {
            thread.join(10_000); // and no longer: a holder that failed leaves the others waiting
        }
        if (failure.get() != null) {
            throw failure.get();
        }
        return new Result(count, elapsed);
    }

    private static CuratorFramework client(String connect) throws InterruptedException {
        CuratorFramework client = CuratorFrameworkFactory.builder()
                .connectString(connect)
                .sessionTimeoutMs(10_000)
                .retryPolicy(new ExponentialBackoffRetry(100, 3))
                .ensembleTracker(false) // it may replace the delayed link's address by the server's own
                .build();
        client.start();
        if (!client.blockUntilConnected(10, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no connection to " + connect);
        }
        return client;
    }
}
