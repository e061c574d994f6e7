import java.math.BigInteger;
import java.nio.file.Path;
import java.security.KeyPair;
import java.util.ArrayList;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.x509.CRLNumber;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CRLEntryHolder;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;

/** Certificate revocation lists. */
final class Crls {
    private static final long HOUR = 60 * 60 * 1000;

    private Crls() {}

    /** Each argument is a folder with crl and its issuer as DER. */
    static Object read(List<String> folders) {
        return Peer.each(folders, folder -> {
            X509CRLHolder list = new X509CRLHolder(Peer.file(folder, "crl.der"));
            X509CertificateHolder issuer = Catalyst.holder(folder, "issuer");
            return Map.of(
                "signature", list.isSignatureValid(Keys.verifier(Catalyst.own(issuer))),
                "issuer", list.getIssuer().equals(issuer.getSubject()),
                "revoked", revoked(list));
        });
    }

    static List<String> revoked(X509CRLHolder list) {
        List<String> serials = new ArrayList<>();
        for (Object entry : list.getRevokedCertificates()) {
            serials.add(((X509CRLEntryHolder) entry).getSerialNumber().toString(16));
        }
        return serials;
    }

    /** Arguments: a folder, then algorithms; each is given a root, a leaf below it, and a list that has the leaf. */
    static Object issue(List<String> arguments) {
        Map<String, Object> reports = new LinkedHashMap<>();
        for (String oid : arguments.subList(1, arguments.size())) {
            Path folder = Path.of(arguments.get(0)).resolve(oid);
            reports.put(oid, Peer.outcome(() -> {
                KeyPair authority = Keys.generate(oid);
                SubjectPublicKeyInfo key = Chains.info(authority);
                Peer.write(folder, "root.der", Chains.authority(authority).build(
                    Keys.signer(oid, authority.getPrivate())).getEncoded());
                X509CertificateHolder leaf = Chains.workload(key, Chains.info(Keys.generate(oid))).build(
                    Keys.signer(oid, authority.getPrivate()));
                Peer.write(folder, "leaf.der", leaf.getEncoded());
                Peer.write(folder, "crl.der", list(key, leaf.getSerialNumber()).build(
                    Keys.signer(oid, authority.getPrivate())).getEncoded());
                return true;
            }));
        }
        return reports;
    }

    /** An authority's list with one serial number, yet to be signed. */
    static X509v2CRLBuilder list(SubjectPublicKeyInfo authority, BigInteger serial) throws Exception {
        long now = System.currentTimeMillis();
        X509v2CRLBuilder list = new X509v2CRLBuilder(Chains.AUTHORITY, new Date(now - 60_000));
        list.setNextUpdate(new Date(now + HOUR));
        list.addCRLEntry(serial, new Date(now - 60_000), CRLReason.keyCompromise);
        list.addExtension(Extension.authorityKeyIdentifier, false,
            new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(authority));
        list.addExtension(Extension.cRLNumber, false, new CRLNumber(BigInteger.ONE));
        return list;
    }
}
