import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.bouncycastle.jsse.BCSSLParameters;
import org.bouncycastle.jsse.BCSSLSocket;
import org.bouncycastle.jsse.provider.BouncyCastleJsseProvider;
import org.bouncycastle.util.io.pem.PemReader;

/** Both ends of mutual TLS 1.3, with the group and the signature schemes that are asked for. */
final class Tls {
    private static final char[] PASSWORD = "kept in memory".toCharArray();
    private static final int PATIENCE = 60_000;

    private Tls() {}

    /** Arguments: an address, a folder with root.pem, leaf.pem, intermediate.pem and key.pem, a group, signature schemes. */
    static Object connect(List<String> arguments) throws Exception {
        String[] address = arguments.get(0).split(":");
        try (SSLSocket socket = (SSLSocket)
            context(Path.of(arguments.get(1))).getSocketFactory().createSocket()) {
            socket.setSoTimeout(PATIENCE);
            socket.connect(new InetSocketAddress(address[0], Integer.parseInt(address[1])), PATIENCE);
            restrict(socket, arguments.subList(2, arguments.size()));
            socket.getOutputStream().write("hello from BouncyCastle\n".getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().flush();
            return seen(socket, line(socket));
        }
    }

    /** Arguments: a folder, a group, signature schemes. Prints its address first. */
    static Object listen(List<String> arguments) throws Exception {
        try (SSLServerSocket listener = (SSLServerSocket)
            context(Path.of(arguments.get(0))).getServerSocketFactory().createServerSocket(
                0, 1, InetAddress.getLoopbackAddress())) {
            listener.setSoTimeout(PATIENCE);
            Peer.say("127.0.0.1:" + listener.getLocalPort());
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.setSoTimeout(PATIENCE);
                restrict(socket, arguments.subList(1, arguments.size()));
                String said = line(socket);
                socket.getOutputStream().write(said.getBytes(StandardCharsets.UTF_8));
                socket.getOutputStream().flush();
                return seen(socket, said);
            }
        }
    }

    private static SSLContext context(Path folder) throws Exception {
        Security.addProvider(new BouncyCastleJsseProvider(false, Security.getProvider(Keys.BC)));
        KeyStore own = KeyStore.getInstance("PKCS12", Keys.BC);
        own.load(null, null);
        own.setKeyEntry("own", key(folder), PASSWORD, new Certificate[] {
            certificate(folder, "leaf.pem"), certificate(folder, "intermediate.pem")});
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX", BouncyCastleJsseProvider.PROVIDER_NAME);
        keys.init(own, PASSWORD);

        KeyStore trusted = KeyStore.getInstance("PKCS12", Keys.BC);
        trusted.load(null, null);
        trusted.setCertificateEntry("root", certificate(folder, "root.pem"));
        TrustManagerFactory trust =
            TrustManagerFactory.getInstance("PKIX", BouncyCastleJsseProvider.PROVIDER_NAME);
        trust.init(trusted);

        SSLContext context = SSLContext.getInstance("TLS", BouncyCastleJsseProvider.PROVIDER_NAME);
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static X509Certificate certificate(Path folder, String name) throws Exception {
        return Chains.certificate(Peer.file(folder, name));
    }

    private static PrivateKey key(Path folder) throws Exception {
        try (PemReader reader = new PemReader(Files.newBufferedReader(folder.resolve("key.pem")))) {
            return Keys.readPrivate(reader.readPemObject().getContent());
        }
    }

    private static void restrict(SSLSocket socket, List<String> groupAndSchemes) {
        BCSSLSocket ours = (BCSSLSocket) socket;
        BCSSLParameters parameters = ours.getParameters();
        parameters.setProtocols(new String[] {"TLSv1.3"});
        parameters.setNamedGroups(groups(groupAndSchemes.get(0)));
        parameters.setSignatureSchemes(
            groupAndSchemes.subList(1, groupAndSchemes.size()).toArray(String[]::new));
        parameters.setNeedClientAuth(true);
        ours.setParameters(parameters);
    }

    /** Its ECDSA schemes are off where their curve is no group: the curves follow the one that the other end takes. */
    private static String[] groups(String first) {
        return Stream.of(first, "secp256r1", "secp384r1").distinct().toArray(String[]::new);
    }

    private static String line(SSLSocket socket) throws Exception {
        return new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8))
            .readLine() + "\n";
    }

    private static Object seen(SSLSocket socket, String said) throws Exception {
        X509Certificate peer = (X509Certificate) socket.getSession().getPeerCertificates()[0];
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("peer", peer.getSubjectAlternativeNames().iterator().next().get(1));
        seen.put("peer_key", peer.getPublicKey().getAlgorithm());
        seen.put("version", socket.getSession().getProtocol());
        seen.put("said", said);
        return seen;
    }
}
