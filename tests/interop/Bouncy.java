/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Bouncy Castle for the interoperability tests: reads one command a line from
 * standard input, its words divided by tabs, and answers "ok" or "no REASON".
 *   open KEY CERTIFICATE CMS OUT         decrypt DER
 *   verify ANCHOR CMS CONTENT|- OUT      check a signature, detached or not
 * Keys are PKCS#8 in PEM. Run by the source launcher of a JRE.
 */
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import org.bouncycastle.cert.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.asn1.cms.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class Bouncy {
	static byte[] read(String path) throws IOException {
		return Files.readAllBytes(Paths.get(path));
	}

	static X509Certificate certificate(String path) throws Exception {
		return (X509Certificate)CertificateFactory.getInstance("X.509", "BC")
		    .generateCertificate(new ByteArrayInputStream(read(path)));
	}

	static PrivateKey key(String path, String algorithm) throws Exception {
		String pem = new String(read(path), "US-ASCII");
		byte[] der = Base64.getMimeDecoder().decode(
		    pem.replaceAll("-----[A-Z ]+-----", ""));
		return KeyFactory.getInstance(algorithm, "BC").generatePrivate(
		    new PKCS8EncodedKeySpec(der));
	}

	static Recipient recipient(RecipientInformation r, PrivateKey k, boolean auth) {
		/* AuthEnvelopedData with ECDH has no class of its own, and none
		   is needed */
		if (r instanceof KeyAgreeRecipientInformation)
			return new JceKeyAgreeEnvelopedRecipient(k).setProvider("BC");
		return auth ? new JceKeyTransAuthEnvelopedRecipient(k).setProvider("BC")
			    : new JceKeyTransEnvelopedRecipient(k).setProvider("BC");
	}

	static void open(String[] w) throws Exception {
		X509Certificate cert = certificate(w[2]);
		String algorithm = cert.getPublicKey().getAlgorithm();
		boolean rsa = algorithm.equals("RSA");
		PrivateKey k = key(w[1], rsa ? "RSA" : "EC");
		byte[] der = read(w[3]);
		String type = ContentInfo.getInstance(der).getContentType().getId();
		boolean auth = type.equals(CMSObjectIdentifiers.authEnvelopedData.getId());
		RecipientInformationStore all = auth
		    ? new CMSAuthEnvelopedData(der).getRecipientInfos()
		    : new CMSEnvelopedData(der).getRecipientInfos();
		RecipientId id = rsa ? new JceKeyTransRecipientId(cert)
				     : new JceKeyAgreeRecipientId(cert);
		RecipientInformation r = all.get(id);

		if (r == null)
			throw new Exception("not a recipient");
		Files.write(Paths.get(w[4]), r.getContent(recipient(r, k, auth)));
	}

	static void verify(String[] w) throws Exception {
		X509Certificate anchor = certificate(w[1]);
		CMSSignedData signed = w[3].equals("-")
		    ? new CMSSignedData(read(w[2]))
		    : new CMSSignedData(new CMSProcessableByteArray(read(w[3])), read(w[2]));
		Collection<SignerInformation> signers = signed.getSignerInfos().getSigners();

		if (signers.isEmpty())
			throw new Exception("no signer");
		for (SignerInformation s : signers) {
			Collection<?> found = signed.getCertificates().getMatches(s.getSID());
			X509CertificateHolder holder = (X509CertificateHolder)found.iterator().next();
			X509Certificate cert = new JcaX509CertificateConverter()
			    .setProvider("BC").getCertificate(holder);

			if (!s.verify(new JcaSimpleSignerInfoVerifierBuilder()
				    .setProvider("BC").build(cert)))
				throw new Exception("bad signature");
			cert.verify(anchor.getPublicKey(), "BC");
		}
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		signed.getSignedContent().write(out);
		Files.write(Paths.get(w[4]), out.toByteArray());
	}

	public static void main(String[] args) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
		String line;

		Security.addProvider(new BouncyCastleProvider());
		System.out.println("version " + Security.getProvider("BC").getVersionStr());
		while ((line = in.readLine()) != null) {
			String[] w = line.split("\t");
			try {
				if (w[0].equals("open"))
					open(w);
				else
					verify(w);
				System.out.println("ok");
			} catch (Exception e) {
				System.out.println("no " + e.toString().replace('\n', ' '));
			}
			System.out.flush();
		}
	}
}
