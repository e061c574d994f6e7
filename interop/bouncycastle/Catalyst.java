import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.PublicKey;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.pkcs.Attribute;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.SubjectAltPublicKeyInfo;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/** Certificates, requests and revocation lists with a second key and a second signature (X.509 of 2019, 7.2.2). */
final class Catalyst {
    private Catalyst() {}

    /** Each argument is a folder with leaf, intermediate and root as DER, and maybe csr and crl. */
    static Object read(List<String> folders) {
        return Peer.each(folders, folder -> {
            X509CertificateHolder leaf = holder(folder, "leaf");
            X509CertificateHolder intermediate = holder(folder, "intermediate");
            X509CertificateHolder root = holder(folder, "root");
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("leaf", signatures(leaf, intermediate));
            report.put("intermediate", signatures(intermediate, root));
            report.put("root", signatures(root, root));
            report.put("alternative", Peer.hex(alternative(leaf.getExtensions()).getEncoded()));
            report.put("path", Peer.outcome(() -> Chains.path(Chains.certificate(folder, "root"),
                List.of(Chains.certificate(folder, "leaf"), Chains.certificate(folder, "intermediate")))));
            if (Files.exists(folder.resolve("csr.der"))) {
                report.put("request", Peer.outcome(() -> request(folder)));
            }
            if (Files.exists(folder.resolve("crl.der"))) {
                report.put("list", Peer.outcome(() -> list(folder, intermediate)));
            }
            return report;
        });
    }

    static X509CertificateHolder holder(Path folder, String name) throws Exception {
        return new X509CertificateHolder(Peer.file(folder, name + ".der"));
    }

    private static Object signatures(X509CertificateHolder certificate, X509CertificateHolder issuer) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("native", Peer.outcome(() -> certificate.isSignatureValid(Keys.verifier(own(issuer)))));
        found.put("alternative", Peer.outcome(() -> certificate.isAlternativeSignatureValid(
            Keys.verifier(alternative(issuer.getExtensions())))));
        return found;
    }

    static PublicKey own(X509CertificateHolder certificate) throws Exception {
        return Keys.readPublic(certificate.getSubjectPublicKeyInfo().getEncoded());
    }

    private static PublicKey alternative(Extensions extensions) throws Exception {
        return Keys.readPublic(SubjectAltPublicKeyInfo.fromExtensions(extensions).getEncoded());
    }

    private static Object request(Path folder) throws Exception {
        PKCS10CertificationRequest request = new PKCS10CertificationRequest(Peer.file(folder, "csr.der"));
        Attribute[] keys = request.getAttributes(Extension.subjectAltPublicKeyInfo);
        PublicKey alternative = Keys.readPublic(
            SubjectPublicKeyInfo.getInstance(keys[0].getAttributeValues()[0]).getEncoded());
        PublicKey own = Keys.readPublic(request.getSubjectPublicKeyInfo().getEncoded());
        return Map.of(
            "native", request.isSignatureValid(Keys.verifier(own)),
            "alternative", request.isAltSignatureValid(Keys.verifier(alternative)));
    }

    private static Object list(Path folder, X509CertificateHolder issuer) throws Exception {
        X509CRLHolder list = new X509CRLHolder(Peer.file(folder, "crl.der"));
        return Map.of(
            "native", list.isSignatureValid(Keys.verifier(own(issuer))),
            "alternative", list.isAlternativeSignatureValid(
                Keys.verifier(alternative(issuer.getExtensions()))),
            "revoked", Crls.revoked(list));
    }

    /** Arguments: a folder, the native and the alternative algorithm, whether the extensions are critical. */
    static Object issue(List<String> arguments) throws Exception {
        Path folder = Path.of(arguments.get(0));
        String oid = arguments.get(1);
        String alternativeOid = arguments.get(2);
        boolean critical = Boolean.parseBoolean(arguments.get(3));
        KeyPair authority = Keys.generate(oid);
        KeyPair alternativeAuthority = Keys.generate(alternativeOid);
        KeyPair workload = Keys.generate(oid);
        KeyPair alternativeWorkload = Keys.generate(alternativeOid);
        X509v3CertificateBuilder root = Chains.authority(authority);
        root.addExtension(
            Extension.subjectAltPublicKeyInfo, critical, Chains.info(alternativeAuthority));
        Peer.write(folder, "root.der", root.build(
            Keys.signer(oid, authority.getPrivate()), critical,
            Keys.signer(alternativeOid, alternativeAuthority.getPrivate())).getEncoded());

        X509v3CertificateBuilder leaf = Chains.workload(Chains.info(authority), Chains.info(workload));
        leaf.addExtension(
            Extension.subjectAltPublicKeyInfo, critical, Chains.info(alternativeWorkload));
        X509CertificateHolder issued = leaf.build(
            Keys.signer(oid, authority.getPrivate()), critical,
            Keys.signer(alternativeOid, alternativeAuthority.getPrivate()));
        Peer.write(folder, "leaf.der", issued.getEncoded());

        Peer.write(folder, "csr.der", Chains.request(Chains.info(workload)).build(
            Keys.signer(oid, workload.getPrivate()), Chains.info(alternativeWorkload),
            Keys.signer(alternativeOid, alternativeWorkload.getPrivate())).getEncoded());

        X509v2CRLBuilder list = Crls.list(Chains.info(authority), issued.getSerialNumber());
        Peer.write(folder, "crl.der", list.build(
            Keys.signer(oid, authority.getPrivate()), critical,
            Keys.signer(alternativeOid, alternativeAuthority.getPrivate())).getEncoded());
        return true;
    }
}
