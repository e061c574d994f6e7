import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * What BouncyCastle makes of keys, requests, certificates and revocation lists, and those that it makes itself.
 *
 * <p>Each subcommand prints what it saw as JSON; the tests judge. Algorithms are named by their object identifiers, so
 * that nothing here depends on what Symbolon calls them.
 */
public final class Peer {
    /** Something that may fail, and whose failure is a finding. */
    interface Finding {
        Object find() throws Exception;
    }

    private interface Subcommand {
        Object run(List<String> arguments) throws Exception;
    }

    private static final Map<String, Subcommand> SUBCOMMANDS = Map.ofEntries(
        Map.entry("version", arguments -> Security.getProvider(BouncyCastleProvider.PROVIDER_NAME).getInfo()),
        Map.entry("read", Chains::read),
        Map.entry("issue", Chains::issue),
        Map.entry("catalyst-read", Catalyst::read),
        Map.entry("catalyst-issue", Catalyst::issue),
        Map.entry("related-read", Related::read),
        Map.entry("related-issue", Related::issue),
        Map.entry("delta-issue", Delta::issue),
        Map.entry("kem-issue", Kem::issue),
        Map.entry("crl-read", Crls::read),
        Map.entry("crl-issue", Crls::issue),
        Map.entry("sign", Signatures::sign),
        Map.entry("verify", Signatures::verify),
        Map.entry("connect", Tls::connect),
        Map.entry("listen", Tls::listen));

    private Peer() {}

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        if (arguments.length == 0 || !SUBCOMMANDS.containsKey(arguments[0])) {
            System.err.println("name a subcommand");
            System.exit(2);
        }
        say(SUBCOMMANDS.get(arguments[0]).run(List.of(arguments).subList(1, arguments.length)));
    }

    /** Prints one JSON document on a line of its own. */
    static void say(Object value) {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.println(json(value));
    }

    /** What came of it: a value, or the error's class and text. */
    static Object outcome(Finding finding) {
        try {
            return finding.find();
        } catch (Exception | LinkageError error) {
            return error.getClass().getSimpleName() + ": " + error.getMessage();
        }
    }

    /** One report for each folder, by the folder's name. */
    static Map<String, Object> each(List<String> folders, Report report) {
        Map<String, Object> reports = new LinkedHashMap<>();
        for (String folder : folders) {
            Path path = Path.of(folder);
            reports.put(path.getFileName().toString(), outcome(() -> report.of(path)));
        }
        return reports;
    }

    /** What is found in a folder. */
    interface Report {
        Object of(Path folder) throws Exception;
    }

    static byte[] file(Path folder, String name) throws Exception {
        return Files.readAllBytes(folder.resolve(name));
    }

    static void write(Path folder, String name, byte[] content) throws Exception {
        Files.createDirectories(folder);
        Files.write(folder.resolve(name), content);
    }

    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    static String json(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return String.valueOf(value);
        }
        if (value instanceof Map<?, ?> map) {
            List<String> members = new ArrayList<>();
            map.forEach((name, member) -> members.add(json(name.toString()) + ":" + json(member)));
            return "{" + String.join(",", members) + "}";
        }
        if (value instanceof Iterable<?> list) {
            List<String> items = new ArrayList<>();
            list.forEach(item -> items.add(json(item)));
            return "[" + String.join(",", items) + "]";
        }
        StringBuilder text = new StringBuilder("\"");
        for (char character : value.toString().toCharArray()) {
            if (character == '"' || character == '\\') {
                text.append('\\').append(character);
            } else if (character < 0x20) {
                text.append(String.format("\\u%04x", (int) character));
            } else {
                text.append(character);
            }
        }
        return text.append('"').toString();
    }
}
