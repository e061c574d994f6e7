import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.PublicKey;
import java.security.Signature;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.jcajce.spec.ContextParameterSpec;

/** Signatures on plain messages, with a context. Each case is a folder. */
final class Signatures {
    /** In the order of their identifiers, from 2.16.840.1.101.3.4.3.17 on. */
    private static final List<String> ALGORITHMS = List.of(
        "ml-dsa-44", "ml-dsa-65", "ml-dsa-87",
        "slh-dsa-sha2-128s", "slh-dsa-sha2-128f", "slh-dsa-sha2-192s", "slh-dsa-sha2-192f",
        "slh-dsa-sha2-256s", "slh-dsa-sha2-256f",
        "slh-dsa-shake-128s", "slh-dsa-shake-128f", "slh-dsa-shake-192s", "slh-dsa-shake-192f",
        "slh-dsa-shake-256s", "slh-dsa-shake-256f");

    private Signatures() {}

    /** Signs message with context by a key of its own; leaves public and signature. */
    static Object sign(List<String> folders) {
        return Peer.each(folders, folder -> {
            KeyPair pair = Keys.generate(oid(folder));
            Signature signature = Keys.signature(oid(folder));
            signature.initSign(pair.getPrivate());
            feed(signature, folder);
            Peer.write(folder, "signature", signature.sign());
            Peer.write(folder, "public", Chains.info(pair).getPublicKeyData().getOctets());
            return true;
        });
    }

    /** Whether signature is public's on message with context. */
    static Object verify(List<String> folders) {
        return Peer.each(folders, folder -> {
            AlgorithmIdentifier algorithm = new AlgorithmIdentifier(new ASN1ObjectIdentifier(oid(folder)));
            PublicKey key = Keys.readPublic(
                new SubjectPublicKeyInfo(algorithm, Peer.file(folder, "public")).getEncoded());
            Signature signature = Keys.signature(oid(folder));
            signature.initVerify(key);
            feed(signature, folder);
            return signature.verify(Peer.file(folder, "signature"));
        });
    }

    private static String oid(Path folder) throws Exception {
        String name = new String(Peer.file(folder, "algorithm"), StandardCharsets.UTF_8);
        return "2.16.840.1.101.3.4.3." + (17 + ALGORITHMS.indexOf(name));
    }

    private static void feed(Signature signature, Path folder) throws Exception {
        signature.setParameter(new ContextParameterSpec(Peer.file(folder, "context")));
        signature.update(Peer.file(folder, "message"));
    }
}
