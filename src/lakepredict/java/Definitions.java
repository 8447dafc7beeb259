package org.lakepredict;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Constructor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.commons.io.IOUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.catalog.CatalogDatabase;
import org.apache.spark.sql.catalyst.catalog.CatalogFunction;
import org.apache.spark.sql.catalyst.catalog.CatalogTable;
import org.apache.spark.sql.catalyst.catalog.CatalogTableType;
import org.apache.spark.sql.catalyst.catalog.FunctionResource;
import org.apache.spark.sql.catalyst.catalog.FunctionResourceType$;
import org.apache.spark.sql.catalyst.catalog.UserDefinedFunction$;
import org.apache.spark.sql.types.DataType;
import scala.Option;
import scala.Product;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * What a catalog has, as facts that are plain values in JSON, and back; and what is in the folders that a lakehouse
 * keeps it in, as one text, since Python would ask once for each file.
 */
public final class Definitions {
  private static final String RECORD = "\u001e";
  private static final String FIELD = "\u001f";
  private static final ObjectMapper JSON = new ObjectMapper();
  private final Configuration hadoop;
  private final CatalogTable template;

  // `template` is any managed Delta table.
  public Definitions(Configuration hadoop, CatalogTable template) {
    this.hadoop = hadoop;
    this.template = template;
  }

  // --- facts of definitions ---

  public String facts(CatalogDatabase schema) {
    Map facts = new LinkedHashMap();
    facts.put("comment", schema.description());
    facts.put("location", schema.locationUri().toString());
    facts.put("properties", CollectionConverters.asJava(schema.properties()));
    return json(facts);
  }

  // Of an external Delta table, all but its place is in its log.
  public String facts(CatalogTable view) {
    Map facts = new LinkedHashMap();
    if (view.tableType().equals(CatalogTableType.EXTERNAL())) {
      facts.put("location", view.location().toString());
      return json(facts);
    }
    facts.put("schema", view.schema().json());
    facts.put("properties", CollectionConverters.asJava(view.properties()));
    facts.put("text", value(view.viewText()));
    facts.put("originalText", value(view.viewOriginalText()));
    facts.put("comment", value(view.comment()));
    facts.put("collation", value(view.collation()));
    facts.put("owner", view.owner());
    facts.put("createTime", new Long(view.createTime()));
    facts.put("createVersion", view.createVersion());
    return json(facts);
  }

  // A function in SQL is one map, cut into numbered pieces that Spark takes for files.
  public String facts(CatalogFunction function) {
    Map facts = new LinkedHashMap();
    facts.put("class", function.className());
    List resources = new ArrayList();
    String[] pieces = new String[function.resources().size()];
    for (int i = 0; i < pieces.length; i++) {
      FunctionResource each = (FunctionResource) function.resources().apply(i);
      resources.add(new String[] {each.resourceType().resourceType(), each.uri()});
      pieces[i] = each.uri();
    }
    if (function.isUserDefinedFunction()) {
      StringBuilder text = new StringBuilder();
      Arrays.sort(pieces);
      for (int i = 0; i < pieces.length; i++) {
        text.append(pieces[i].substring(UserDefinedFunction$.MODULE$.INDEX_LENGTH()));
      }
      facts.put("properties", parsed(text.toString()));
    } else {
      facts.put("resources", resources);
    }
    return json(facts);
  }

  // --- definitions of facts ---

  /** A Delta table, managed or external. */
  public CatalogTable table(String schema, String name, String location, boolean managed) {
    Map changes = new HashMap();
    changes.put("identifier", identifier(schema, name));
    changes.put("tableType", managed ? CatalogTableType.MANAGED() : CatalogTableType.EXTERNAL());
    Option place = Option.apply(new Path(location).toUri());
    changes.put("storage", copied(template.storage(), single("locationUri", place)));
    return (CatalogTable) copied(template, changes);
  }

  public CatalogTable external(String schema, String name, String facts) {
    return table(schema, name, (String) parsed(facts).get("location"), false);
  }

  public CatalogDatabase schema(String schema, String name, String facts) {
    Map given = parsed(facts);
    String comment = given.get("comment") == null ? "" : (String) given.get("comment");
    return new CatalogDatabase(
        schema, comment, new Path((String) given.get("location")).toUri(), scalaMap((Map) given.get("properties")));
  }

  public CatalogTable view(String schema, String name, String facts) {
    Map given = parsed(facts);
    Map changes = new HashMap();
    changes.put("identifier", identifier(schema, name));
    changes.put("tableType", CatalogTableType.VIEW());
    changes.put("provider", Option.apply(null));
    changes.put("schema", DataType.fromJson((String) given.get("schema")));
    changes.put("properties", scalaMap((Map) given.get("properties")));
    changes.put("viewText", Option.apply(given.get("text")));
    changes.put("viewOriginalText", Option.apply(given.get("originalText")));
    changes.put("comment", Option.apply(given.get("comment")));
    changes.put("collation", Option.apply(given.get("collation")));
    changes.put("owner", given.get("owner"));
    changes.put("createTime", new Long(((Number) given.get("createTime")).longValue()));
    changes.put("createVersion", given.get("createVersion"));
    return (CatalogTable) copied(template, changes);
  }

  public CatalogFunction function(String schema, String name, String facts) {
    Map given = parsed(facts);
    FunctionIdentifier identifier = (FunctionIdentifier) copied(
        new FunctionIdentifier(name, Option.apply(schema)), single("catalog", Option.apply("spark_catalog")));
    if (given.get("properties") != null) {
      Seq pieces =
          UserDefinedFunction$.MODULE$.propertiesToFunctionResources(scalaMap((Map) given.get("properties")), identifier);
      return new CatalogFunction(identifier, (String) given.get("class"), pieces);
    }
    List found = new ArrayList();
    List resources = (List) given.get("resources");
    for (int i = 0; i < resources.size(); i++) {
      List each = (List) resources.get(i);
      found.add(new FunctionResource(FunctionResourceType$.MODULE$.fromString((String) each.get(0)), (String) each.get(1)));
    }
    return new CatalogFunction(
        identifier, (String) given.get("class"), CollectionConverters.asScala(found).toSeq());
  }

  // --- files ---

  /**
   * What is in a folder, and in those of its folders whose names match: a record for each, of its path from there,
   * whether it is a folder, when it was changed, and its length. Nothing, where there is no such folder.
   */
  public String listed(String root, String deeper) throws IOException {
    StringBuilder text = new StringBuilder();
    list(new Path(root), "", Pattern.compile(deeper), text);
    return text.toString();
  }

  private void list(Path folder, String below, Pattern deeper, StringBuilder text) throws IOException {
    FileStatus[] found;
    try {
      found = folder.getFileSystem(hadoop).listStatus(folder);
    } catch (FileNotFoundException exc) {
      return;
    }
    for (int i = 0; i < found.length; i++) {
      String name = found[i].getPath().getName();
      text.append(text.length() == 0 ? "" : RECORD).append(below).append(name).append(FIELD);
      text.append(found[i].isDirectory()).append(FIELD).append(found[i].getModificationTime()).append(FIELD);
      text.append(found[i].getLen());
      if (found[i].isDirectory() && below.isEmpty() && deeper.matcher(name).matches()) {
        list(found[i].getPath(), name + "/", deeper, text);
      }
    }
  }

  public byte[] read(String path) throws IOException {
    InputStream stream = new Path(path).getFileSystem(hadoop).open(new Path(path));
    try {
      return IOUtils.toByteArray(stream);
    } finally {
      stream.close();
    }
  }

  // --- Scala from Java ---

  private static String json(Map facts) {
    try {
      return JSON.writeValueAsString(facts);
    } catch (IOException exc) {
      throw new IllegalStateException(exc);
    }
  }

  private static Map parsed(String text) {
    try {
      return (Map) JSON.readValue(text, Map.class);
    } catch (IOException exc) {
      throw new IllegalStateException(exc);
    }
  }

  private static TableIdentifier identifier(String schema, String name) {
    return (TableIdentifier) copied(
        new TableIdentifier(name, Option.apply(schema)), single("catalog", Option.apply("spark_catalog")));
  }

  private static Object value(Option option) {
    return option.isEmpty() ? null : option.get();
  }

  private static Map single(String name, Object value) {
    Map map = new HashMap();
    map.put(name, value);
    return map;
  }

  private static scala.collection.immutable.Map scalaMap(Map map) {
    return scala.collection.immutable.Map$.MODULE$.from(CollectionConverters.asScala(map));
  }

  // A copy with other values in some of its fields. How many there are depends on the version of Spark.
  private static Object copied(Product original, Map changes) {
    Object[] parts = new Object[original.productArity()];
    for (int i = 0; i < parts.length; i++) {
      String name = original.productElementName(i);
      parts[i] = changes.containsKey(name) ? changes.get(name) : original.productElement(i);
    }
    Constructor[] constructors = original.getClass().getConstructors();
    for (int i = 0; i < constructors.length; i++) {
      if (constructors[i].getParameterTypes().length == parts.length) {
        try {
          return constructors[i].newInstance(parts);
        } catch (ReflectiveOperationException exc) {
          throw new IllegalStateException(exc);
        }
      }
    }
    throw new IllegalStateException("this Spark has another " + original.getClass().getName());
  }
}
