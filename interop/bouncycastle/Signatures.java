import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.util.List;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.jcajce.spec.ContextParameterSpec;

/** Signatures on plain messages, with a context. */
final class Signatures {
    private Signatures() {}

    /** Each argument is a folder with key.der (PKCS #8), message and context; writes signature there. */
    static Object sign(List<String> folders) {
        return Peer.each(folders, folder -> {
            byte[] encoded = Peer.file(folder, "key.der");
            PrivateKey key = Keys.readPrivate(encoded);
            Signature signature = Keys.signature(
                PrivateKeyInfo.getInstance(encoded).getPrivateKeyAlgorithm().getAlgorithm().getId());
            signature.initSign(key);
            feed(signature, folder);
            Peer.write(folder, "signature", signature.sign());
            return true;
        });
    }

    /** Each argument is a folder with spki.der, message, context and signature. */
    static Object verify(List<String> folders) {
        return Peer.each(folders, folder -> {
            byte[] encoded = Peer.file(folder, "spki.der");
            PublicKey key = Keys.readPublic(encoded);
            Signature signature = Keys.signature(
                SubjectPublicKeyInfo.getInstance(encoded).getAlgorithm().getAlgorithm().getId());
            signature.initVerify(key);
            feed(signature, folder);
            return signature.verify(Peer.file(folder, "signature"));
        });
    }

    private static void feed(Signature signature, Path folder) throws Exception {
        signature.setParameter(new ContextParameterSpec(Peer.file(folder, "context")));
        signature.update(Peer.file(folder, "message"));
    }
}
