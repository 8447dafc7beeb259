package org.lakepredict;

import java.io.IOException;
import java.lang.reflect.Field;
import java.net.URI;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.catalyst.catalog.CatalogDatabase;
import org.apache.spark.sql.catalyst.catalog.CatalogFunction;
import org.apache.spark.sql.catalyst.catalog.CatalogTable;
import org.apache.spark.sql.catalyst.catalog.CatalogTableType;
import org.apache.spark.sql.catalyst.catalog.ExternalCatalog;
import org.apache.spark.sql.catalyst.catalog.ExternalCatalogWithListener;
import org.apache.spark.sql.catalyst.catalog.InMemoryCatalog;
import org.apache.spark.sql.catalyst.catalog.SessionCatalog;
import scala.collection.immutable.Seq;
import scala.collection.mutable.HashMap;

/**
 * Spark's catalog in memory, which tells what is defined in it: schemas, views, external Delta tables and functions are
 * kept elsewhere by who is told, and a statement whose definition cannot be kept fails and changes nothing.
 *
 * <p>Who is told is also asked to look for what others have made, before a list is given and where a name is not known.
 * What is found comes in by {@code attach} and {@code put} and goes by {@code detach} and {@code forget}; nobody is told
 * of that, and no file is deleted.
 *
 * <p>A lock is never held while somebody is told or asked.
 */
public final class LakehouseCatalog extends InMemoryCatalog {
  private static final ThreadLocal STATEMENT = new ThreadLocal();
  private static final ThreadLocal MISSING = new ThreadLocal(); // the table that was not there when last asked for
  private final Configuration hadoop;
  private final HashMap schemas;
  private final SparkContext context;
  private final Map attached = new ConcurrentHashMap(); // when, by name
  private Function told;

  // Has what `other` has.
  public LakehouseCatalog(InMemoryCatalog other, SparkContext context) {
    super(new SparkConf(false), (Configuration) part(other, Configuration.class));
    this.hadoop = (Configuration) part(other, Configuration.class);
    this.schemas = (HashMap) part(this, HashMap.class);
    this.schemas.addAll((HashMap) part(other, HashMap.class));
    this.context = context;
  }

  /**
   * Takes the place of the catalog that `listening` passes everything to.
   *
   * @param told is called with {what, kind, schema, name, definition}, and gives the exception that fails the statement
   *     or null. What is done is "look", "new", "changed", "gone", or "passing" of what is kept nowhere.
   */
  public void takeOver(ExternalCatalogWithListener listening, Function told) {
    this.told = told;
    Field field = field(ExternalCatalogWithListener.class, ExternalCatalog.class);
    try {
      field.set(listening, this);
    } catch (IllegalAccessException exc) {
      throw new IllegalStateException(exc);
    }
  }

  // --- what Spark asks for ---

  public boolean databaseExists(String schema) {
    return super.databaseExists(schema) || (look() && super.databaseExists(schema));
  }

  // Whoever makes a table writes its files first, and then asks again whether there is such a table. A statement does
  // not see what was attached since it began. A table that is made by no statement, as those of a pipeline, is not seen
  // when it is entered here, if it was attached since it was not there; any other question sees it.
  public boolean tableExists(String schema, String table) {
    if (Thread.holdsLock(this)) {
      return super.tableExists(schema, table);
    }
    Long began = began();
    boolean exists = super.tableExists(schema, table) || (look() && super.tableExists(schema, table));
    if (!exists) {
      MISSING.set(new Object[] {schema + "." + table, new Long(System.nanoTime())});
    } else if (began == null && isAttachedSince(schema, table, missing(schema, table)) && isEntering()) {
      return false;
    }
    return exists && !isAttachedSince(schema, table, began);
  }

  public boolean functionExists(String schema, String function) {
    return super.functionExists(schema, function) || (look() && super.functionExists(schema, function));
  }

  public CatalogTable getTable(String schema, String table) {
    tableExists(schema, table);
    return super.getTable(schema, table);
  }

  public CatalogFunction getFunction(String schema, String function) {
    functionExists(schema, function);
    return super.getFunction(schema, function);
  }

  public Seq listDatabases() {
    look();
    return super.listDatabases();
  }

  public Seq listDatabases(String pattern) {
    look();
    return super.listDatabases(pattern);
  }

  public Seq listTables(String schema) {
    look();
    return super.listTables(schema);
  }

  public Seq listTables(String schema, String pattern) {
    look();
    return super.listTables(schema, pattern);
  }

  public Seq listViews(String schema, String pattern) {
    look();
    return super.listViews(schema, pattern);
  }

  public Seq listFunctions(String schema, String pattern) {
    look();
    return super.listFunctions(schema, pattern);
  }

  // --- what Spark changes ---

  public void createDatabase(CatalogDatabase schema, boolean ignoreIfExists) {
    boolean isNew = !databaseExists(schema.name());
    super.createDatabase(schema, ignoreIfExists);
    if (isNew) {
      Throwable failure = tell("new", "schema", schema.name(), schema.name(), super.getDatabase(schema.name()));
      if (failure != null) {
        forget("schema", schema.name(), schema.name());
        raise(failure);
      }
    }
  }

  public void alterDatabase(CatalogDatabase schema) {
    CatalogDatabase before = getDatabase(schema.name());
    super.alterDatabase(schema);
    Throwable failure = tell("changed", "schema", schema.name(), schema.name(), schema);
    if (failure != null) {
      super.alterDatabase(before);
      raise(failure);
    }
  }

  public void dropDatabase(String schema, boolean ignoreIfNotExists, boolean cascade) {
    look();
    boolean was = super.databaseExists(schema);
    super.dropDatabase(schema, ignoreIfNotExists, cascade);
    if (was) {
      raise(tell("gone", "schema", schema, schema, null));
    }
  }

  public void createTable(CatalogTable table, boolean ignoreIfExists) {
    String schema = table.database();
    String name = table.identifier().table();
    String kind = kept(table);
    if (kind != null) {
      boolean isNew = !tableExists(schema, name);
      super.createTable(table, ignoreIfExists);
      if (isNew) {
        Throwable failure = tell("new", kind, schema, name, super.getTable(schema, name));
        if (failure != null) {
          forget(kind, schema, name);
          raise(failure);
        }
      }
    } else {
      createTableOfFiles(schema, name, table, ignoreIfExists);
      if (!isDelta(table)) {
        raise(tell("passing", "table", schema, name, null));
      }
    }
  }

  // The files of a table come first, and may have been attached already.
  private synchronized void createTableOfFiles(String schema, String name, CatalogTable table, boolean ignoreIfExists) {
    Long began = began() == null ? missing(schema, name) : began();
    if (isAttachedSince(schema, name, began) && table.storage().locationUri().isDefined()) {
      super.alterTable(table);
      attached.remove(schema + "." + name);
    } else {
      super.createTable(table, ignoreIfExists);
    }
  }

  public void alterTable(CatalogTable table) {
    CatalogTable before = getTable(table.database(), table.identifier().table());
    super.alterTable(table);
    String kind = kept(table);
    if (kind != null) {
      String name = table.identifier().table();
      Throwable failure = tell("changed", kind, table.database(), name, super.getTable(table.database(), name));
      if (failure != null) {
        super.alterTable(before);
        raise(failure);
      }
    }
  }

  public void renameTable(String schema, String from, String to) {
    String kind = kept(getTable(schema, from));
    tableExists(schema, to);
    super.renameTable(schema, from, to);
    attached.remove(schema + "." + from);
    if (kind != null) {
      Throwable failure = tell("new", kind, schema, to, super.getTable(schema, to));
      if (failure != null) {
        super.renameTable(schema, to, from);
        raise(failure);
      }
      raise(tell("gone", kind, schema, from, null));
    }
  }

  public void dropTable(String schema, String table, boolean ignoreIfNotExists, boolean purge) {
    String kind = tableExists(schema, table) ? kept(super.getTable(schema, table)) : null;
    if (kind != null) {
      raise(tell("gone", kind, schema, table, null));
    }
    super.dropTable(schema, table, ignoreIfNotExists, purge);
    attached.remove(schema + "." + table);
  }

  public void createFunction(String schema, CatalogFunction function) {
    String name = function.identifier().funcName();
    functionExists(schema, name);
    super.createFunction(schema, function);
    Throwable failure = tell("new", "function", schema, name, function);
    if (failure != null) {
      super.dropFunction(schema, name);
      raise(failure);
    }
  }

  public void alterFunction(String schema, CatalogFunction function) {
    String name = function.identifier().funcName();
    CatalogFunction before = getFunction(schema, name);
    super.alterFunction(schema, function);
    Throwable failure = tell("changed", "function", schema, name, function);
    if (failure != null) {
      super.alterFunction(schema, before);
      raise(failure);
    }
  }

  public void renameFunction(String schema, String from, String to) {
    functionExists(schema, to);
    super.renameFunction(schema, from, to);
    Throwable failure = tell("new", "function", schema, to, super.getFunction(schema, to));
    if (failure != null) {
      super.renameFunction(schema, to, from);
      raise(failure);
    }
    raise(tell("gone", "function", schema, from, null));
  }

  public void dropFunction(String schema, String function) {
    getFunction(schema, function);
    raise(tell("gone", "function", schema, function, null));
    super.dropFunction(schema, function);
  }

  // When the statement that this thread runs was first seen here, or null if it runs none.
  private Long began() {
    String number = context.getLocalProperty("spark.sql.execution.root.id");
    if (number == null) {
      return null;
    }
    Object[] last = (Object[]) STATEMENT.get();
    if (last == null || !last[0].equals(number)) {
      last = new Object[] {number, new Long(System.nanoTime())};
      STATEMENT.set(last);
    }
    return (Long) last[1];
  }

  // When this thread was told that there is no such table, or null if it asked for another one since.
  private static Long missing(String schema, String table) {
    Object[] last = (Object[]) MISSING.get();
    return last != null && last[0].equals(schema + "." + table) ? (Long) last[1] : null;
  }

  // Who asks is known from the stack alone.
  private static boolean isEntering() {
    StackTraceElement[] callers = new Throwable().getStackTrace();
    for (int i = 0; i < callers.length; i++) {
      if (callers[i].getClassName().equals(SessionCatalog.class.getName())) {
        if (callers[i].getMethodName().equals("createTable")) {
          return true;
        }
      }
    }
    return false;
  }

  private boolean isAttachedSince(String schema, String table, Long began) {
    Long time = (Long) attached.get(schema + "." + table);
    return time != null && began != null && time.longValue() >= began.longValue();
  }

  private boolean look() {
    if (Thread.holdsLock(this)) {
      return false; // one of its own methods asks another
    }
    raise(tell("look", "", "", "", null));
    return true;
  }

  private Throwable tell(String what, String kind, String schema, String name, Object definition) {
    return (Throwable) told.apply(new Object[] {what, kind, schema, name, definition});
  }

  private static void raise(Throwable failure) {
    if (failure != null) {
      new scala.util.Failure(failure).get();
    }
  }

  // --- what is found ---

  /** Enters a table, if its folder has a Delta log and there is no other of its name. */
  public synchronized boolean attach(CatalogTable table) throws IOException {
    String name = table.identifier().table();
    if (super.tableExists(table.database(), name)) {
      return true;
    }
    Path path = new Path(table.location());
    if (!path.getFileSystem(hadoop).exists(new Path(path, "_delta_log"))) {
      return false;
    }
    super.createTable(table, true);
    attached.put(table.database() + "." + name, new Long(System.nanoTime()));
    return true;
  }

  /** Takes a table out whose folder is gone; {@code external} is the same table, but not managed. */
  public synchronized void detach(CatalogTable external) {
    String schema = external.database();
    String name = external.identifier().table();
    if (super.tableExists(schema, name)) {
      CatalogTable found = super.getTable(schema, name);
      if (found.tableType().equals(CatalogTableType.MANAGED()) && path(found).equals(path(external))) {
        // Of a managed table, Spark would delete the folder, and somebody may have made it anew.
        super.alterTable(external);
        super.dropTable(schema, name, true, false);
        attached.remove(schema + "." + name);
      }
    }
  }

  public synchronized void put(CatalogDatabase schema) {
    if (!super.databaseExists(schema.name())) {
      // It would make the folder, and so bring back a schema that somebody drops at this moment.
      URI there = super.getDatabase("default").locationUri();
      super.createDatabase(new CatalogDatabase(schema.name(), schema.description(), there, schema.properties()), true);
    }
    super.alterDatabase(schema);
  }

  public synchronized void put(CatalogTable table) {
    String name = table.identifier().table();
    if (!super.tableExists(table.database(), name)) {
      super.createTable(table, false);
    } else if (kept(table).equals(kept(super.getTable(table.database(), name)))) {
      super.alterTable(table);
    }
  }

  public synchronized void put(CatalogFunction function) {
    String schema = (String) function.identifier().database().get();
    if (super.functionExists(schema, function.identifier().funcName())) {
      super.alterFunction(schema, function);
    } else {
      super.createFunction(schema, function);
    }
  }

  /** Takes a schema, a view, an external table or a function out. */
  public synchronized void forget(String kind, String schema, String name) {
    if (kind.equals("schema")) {
      schemas.remove(schema);
    } else if (kind.equals("function")) {
      if (super.functionExists(schema, name)) {
        super.dropFunction(schema, name);
      }
    } else if (super.tableExists(schema, name) && kind.equals(kept(super.getTable(schema, name)))) {
      super.dropTable(schema, name, true, false);
    }
  }

  // --- Spark from Java ---

  // As what a table is kept elsewhere, or null. Of a Delta table in its place in the lakehouse, there is the folder.
  private String kept(CatalogTable table) {
    if (table.tableType().equals(CatalogTableType.VIEW())) {
      return "view";
    }
    boolean isExternal = isDelta(table) && table.tableType().equals(CatalogTableType.EXTERNAL());
    return isExternal && !isInItsPlace(table) ? "external" : null;
  }

  private boolean isInItsPlace(CatalogTable table) {
    Path schema = new Path(super.getDatabase(table.database()).locationUri());
    return new Path(schema, table.identifier().table()).toUri().getPath().equals(path(table));
  }

  private static boolean isDelta(CatalogTable table) {
    return table.provider().isDefined() && "delta".equalsIgnoreCase((String) table.provider().get());
  }

  private static String path(CatalogTable table) {
    return new Path(table.location()).toUri().getPath();
  }

  private static Object part(InMemoryCatalog catalog, Class kind) {
    try {
      return field(InMemoryCatalog.class, kind).get(catalog);
    } catch (IllegalAccessException exc) {
      throw new IllegalStateException(exc);
    }
  }

  private static Field field(Class owner, Class kind) {
    Field[] fields = owner.getDeclaredFields();
    for (int i = 0; i < fields.length; i++) {
      if (fields[i].getType() == kind) {
        fields[i].setAccessible(true);
        return fields[i];
      }
    }
    throw new IllegalStateException("this Spark has another " + owner.getName());
  }
}
