import java.nio.file.Path;
import java.security.KeyPair;
import java.util.List;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509v3CertificateBuilder;

/** Certificates of keys that only encapsulate (RFC 9935). */
final class Kem {
    private Kem() {}

    /** Arguments: a folder, the authority's algorithm, and those of the keys, which are the names of the leaves. */
    static Object issue(List<String> arguments) throws Exception {
        Path folder = Path.of(arguments.get(0));
        String oid = arguments.get(1);
        KeyPair authority = Keys.generate(oid);
        Peer.write(folder, "root.der", Chains.authority(authority).build(
            Keys.signer(oid, authority.getPrivate())).getEncoded());
        for (String kem : arguments.subList(2, arguments.size())) {
            X509v3CertificateBuilder leaf =
                Chains.workload(Chains.info(authority), Chains.info(Keys.generate(kem)));
            leaf.replaceExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyEncipherment));
            Peer.write(folder, kem + ".der",
                leaf.build(Keys.signer(oid, authority.getPrivate())).getEncoded());
        }
        return true;
    }
}
