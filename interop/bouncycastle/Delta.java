import java.nio.file.Path;
import java.security.KeyPair;
import java.util.List;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.DeltaCertificateTool;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;

/** Certificates that carry what is different in another one (draft-bonnell-lamps-chameleon-certs). */
final class Delta {
    private Delta() {}

    /** Arguments: a folder, the algorithm of the base certificate and its root, that of the delta and its root. */
    static Object issue(List<String> arguments) throws Exception {
        Path folder = Path.of(arguments.get(0));
        String baseOid = arguments.get(1);
        String deltaOid = arguments.get(2);
        KeyPair deltaAuthority = Keys.generate(deltaOid);
        X509CertificateHolder delta =
            leaf(deltaAuthority, Chains.info(Keys.generate(deltaOid)))
                .build(Keys.signer(deltaOid, deltaAuthority.getPrivate()));
        KeyPair baseAuthority = Keys.generate(baseOid);
        X509v3CertificateBuilder builder = leaf(baseAuthority, Chains.info(Keys.generate(baseOid)));
        builder.addExtension(DeltaCertificateTool.makeDeltaCertificateExtension(false, delta));
        X509CertificateHolder base = builder.build(Keys.signer(baseOid, baseAuthority.getPrivate()));

        Peer.write(folder, "delta-root.der", Chains.authority(deltaAuthority).build(
            Keys.signer(deltaOid, deltaAuthority.getPrivate())).getEncoded());
        Peer.write(folder, "delta.der", delta.getEncoded());
        Peer.write(folder, "base-root.der", Chains.authority(baseAuthority).build(
            Keys.signer(baseOid, baseAuthority.getPrivate())).getEncoded());
        Peer.write(folder, "base.der", base.getEncoded());
        return DeltaCertificateTool.extractDeltaCertificate(base).equals(delta);
    }

    private static X509v3CertificateBuilder leaf(KeyPair authority, SubjectPublicKeyInfo key)
        throws Exception {
        return Chains.workload(Chains.info(authority), key);
    }
}
