package org.lakepredict;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Iterator;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.security.sasl.AuthenticationException;
import org.apache.hive.service.auth.PasswdAuthenticationProvider;

/** Knows users by a file of hashed passwords, which is read for each connection, so that a change of it counts at once. */
public final class UserFile implements PasswdAuthenticationProvider {
  private static final String NOBODY = "nobody:pbkdf2-sha256:200000:AAAAAAAAAAAAAAAAAAAAAA==:AAAA";
  private static Path path;

  public static void at(String file) {
    path = Paths.get(file, new String[0]);
  }

  public void Authenticate(String user, String password) throws AuthenticationException {
    boolean known;
    try {
      known = fits(line(user), password);
    } catch (Exception exc) {
      throw new AuthenticationException("the file of users cannot be read", exc);
    }
    if (!known) {
      throw new AuthenticationException("wrong user or password");
    }
  }

  // Of a user that is not there, a password is hashed as well, so that the time does not tell.
  private static String line(String user) throws java.io.IOException {
    for (Iterator each = Files.readAllLines(path, StandardCharsets.UTF_8).iterator(); each.hasNext(); ) {
      String line = (String) each.next();
      if (user != null && line.startsWith(user + ":") && line.split(":").length == 5) {
        return line;
      }
    }
    return NOBODY;
  }

  private static boolean fits(String line, String password) throws Exception {
    String[] parts = line.split(":");
    byte[] salt = Base64.getDecoder().decode(parts[3]);
    byte[] expected = Base64.getDecoder().decode(parts[4]);
    char[] given = password == null || password.isEmpty() ? new char[] {' '} : password.toCharArray();
    PBEKeySpec key = new PBEKeySpec(given, salt, Integer.parseInt(parts[2]), 256);
    byte[] hash = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(key).getEncoded();
    return MessageDigest.isEqual(expected, hash) && password != null && !password.isEmpty();
  }
}
