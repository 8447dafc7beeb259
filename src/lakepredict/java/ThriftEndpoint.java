package org.lakepredict;

import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hive.service.CompositeService;
import org.apache.hive.service.cli.CLIService;
import org.apache.hive.service.cli.OperationHandle;
import org.apache.hive.service.cli.thrift.ThriftBinaryCLIService;
import org.apache.hive.service.rpc.thrift.TCloseOperationReq;
import org.apache.hive.service.rpc.thrift.TCloseOperationResp;
import org.apache.hive.service.rpc.thrift.TExecuteStatementReq;
import org.apache.hive.service.rpc.thrift.TExecuteStatementResp;
import org.apache.hive.service.rpc.thrift.TFetchResultsReq;
import org.apache.hive.service.rpc.thrift.TFetchResultsResp;
import org.apache.hive.service.rpc.thrift.TGetColumnsReq;
import org.apache.hive.service.rpc.thrift.TGetColumnsResp;
import org.apache.hive.service.rpc.thrift.TGetOperationStatusReq;
import org.apache.hive.service.rpc.thrift.TGetOperationStatusResp;
import org.apache.hive.service.rpc.thrift.TOpenSessionReq;
import org.apache.hive.service.rpc.thrift.TOpenSessionResp;
import org.apache.hive.service.rpc.thrift.TRowSet;
import org.apache.hive.service.rpc.thrift.TStatus;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.catalog.CatalogTable;
import org.apache.spark.sql.catalyst.catalog.SessionCatalog;
import org.apache.spark.sql.hive.thriftserver.HiveThriftServer2;
import org.apache.spark.sql.hive.thriftserver.HiveThriftServer2$;
import org.apache.spark.sql.hive.thriftserver.ReflectionUtils;
import org.apache.spark.sql.hive.thriftserver.SparkSQLCLIService;
import org.apache.spark.sql.hive.thriftserver.ui.HiveThriftServer2EventManager;
import org.apache.spark.sql.types.StructType;
import org.apache.thrift.TException;
import scala.Option;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Spark's Thrift JDBC/ODBC server without a metastore of its own, whose clients cannot set what is not theirs.
 *
 * <p>With a connection, a client may send settings: Spark takes them over into the session, and Hive even into the
 * properties of the process. Here the name of a schema to start in passes alone, or, for a server that may be written
 * to, whatever is the session's own.
 */
public final class ThriftEndpoint {
  private static final Pattern WRAPPED = Pattern.compile(
      "^(?:org\\.apache\\.hive\\S+: )?Error running query: (?:\\[[\\w.]+\\] )?[\\w.$]+(?:Exception|Error): ");

  private static final Pattern PLAN = Pattern.compile("(line \\d+ pos \\d+);\n.*", Pattern.DOTALL);

  private static boolean readOnly;

  private final HiveThriftServer2 server;
  private final Service service;

  public ThriftEndpoint(SparkSession session, HiveConf conf, boolean readOnly) throws ReflectiveOperationException {
    ThriftEndpoint.readOnly = readOnly;
    HiveThriftServer2$ spark = HiveThriftServer2$.MODULE$;
    spark.eventManager_$eq(new HiveThriftServer2EventManager(session.sparkContext()));
    spark.systemExitOnError().set(false);
    server = new HiveThriftServer2(session);
    // As in Spark's own `init`, but for the kind of the service.
    SparkSQLCLIService statements = new SparkSQLCLIService(server, session);
    service = new Service(statements, (org.apache.spark.sql.classic.SparkSession) session);
    ReflectionUtils.setSuperField(server, "cliService", statements);
    ReflectionUtils.setSuperField(server, "thriftCLIService", service);
    Method add = CompositeService.class.getDeclaredMethod("addService", new Class[] {org.apache.hive.service.Service.class});
    add.setAccessible(true);
    add.invoke(server, new Object[] {statements});
    add.invoke(server, new Object[] {service});
    server.initCompositeService(conf);
  }

  public void start() {
    server.start();
  }

  public void stop() {
    server.stop();
  }

  public int port() {
    return service.getPortNumber();
  }

  static final class Service extends ThriftBinaryCLIService {
    private final org.apache.spark.sql.classic.SparkSession session;

    Service(CLIService statements, org.apache.spark.sql.classic.SparkSession session) {
      super(statements);
      this.session = session;
    }

    public TOpenSessionResp OpenSession(TOpenSessionReq request) throws TException {
      Map given = request.getConfiguration() == null ? new HashMap() : request.getConfiguration();
      Map kept = new HashMap();
      for (Iterator each = given.entrySet().iterator(); each.hasNext(); ) {
        Map.Entry entry = (Map.Entry) each.next();
        String key = (String) entry.getKey();
        if (key.equals("use:database") || !readOnly && !key.startsWith("set:system:")) {
          kept.put(key, entry.getValue());
        }
      }
      request.setConfiguration(kept);
      return super.OpenSession(request);
    }

    public TExecuteStatementResp ExecuteStatement(TExecuteStatementReq request) throws TException {
      request.setConfOverlay(new HashMap());
      TExecuteStatementResp response = super.ExecuteStatement(request);
      makePlain(response.getStatus());
      return response;
    }

    public TGetOperationStatusResp GetOperationStatus(TGetOperationStatusReq request) throws TException {
      TGetOperationStatusResp response = super.GetOperationStatus(request);
      if (response.getErrorMessage() != null) {
        response.setErrorMessage(plain(response.getErrorMessage()));
      }
      return response;
    }

    public TCloseOperationResp CloseOperation(TCloseOperationReq request) throws TException {
      TCloseOperationResp response = super.CloseOperation(request);
      makePlain(response.getStatus());
      return response;
    }

    private static void makePlain(TStatus status) {
      if (status != null && status.getErrorMessage() != null) {
        status.setErrorMessage(plain(status.getErrorMessage()));
        status.setInfoMessages(null);
      }
    }

    // A message as it was meant, without the classes and the stack trace that the protocol wraps it in, and without the
    // plan that Spark has after where it found the error.
    private static String plain(String message) {
      if (message.contains("stopped SparkContext") || message.contains("SparkContext was shut down")) {
        return "The server has been stopped.";
      }
      int trace = message.indexOf("\n\tat ");
      String found = WRAPPED.matcher(trace < 0 ? message : message.substring(0, trace)).replaceFirst("");
      return PLAN.matcher(found).replaceFirst("$1").trim();
    }

    // The catalog does not have the columns of Delta tables, and Spark answers from it.
    public TGetColumnsResp GetColumns(TGetColumnsReq request) throws TException {
      SessionCatalog catalog = session.sessionState().catalog();
      for (Iterator each = items(catalog.listDatabases()); each.hasNext(); ) {
        String schema = (String) each.next();
        if (schema.matches(pattern(request.getSchemaName()))) {
          learn(catalog, schema, pattern(request.getTableName()));
        }
      }
      return super.GetColumns(request);
    }

    private void learn(SessionCatalog catalog, String schema, String pattern) {
      boolean ours = "in-memory".equals(session.conf().get("spark.sql.catalogImplementation"));
      for (Iterator each = items(catalog.externalCatalog().listTables(schema)); ours && each.hasNext(); ) {
        TableIdentifier name = new TableIdentifier((String) each.next(), Option.apply(schema));
        if (name.table().matches(pattern)) {
          try {
            learn(catalog, name);
          } catch (Exception exc) { // it is gone, or cannot be read; the others can
            LOG.warn("the columns of " + name.quotedString() + " may be out of date", exc);
          }
        }
      }
    }

    private void learn(SessionCatalog catalog, TableIdentifier name) throws Exception {
      CatalogTable known = catalog.getTableMetadata(name);
      if (known.provider().nonEmpty() && known.provider().get().equals("delta")) {
        StructType columns = session.table(name.quotedString()).schema();
        if (!columns.equals(known.schema())) {
          catalog.externalCatalog().alterTableDataSchema(known.database(), name.table(), columns);
        }
      }
    }

    private static String pattern(String given) {
      String any = given == null ? "%" : given.replace("\\_", "\u0000");
      return "(?i)" + any.replace("_", ".").replace("%", ".*").replace("\u0000", "_");
    }

    private static Iterator items(Seq items) {
      return CollectionConverters.asJava(items).iterator();
    }

    public TFetchResultsResp FetchResults(TFetchResultsReq request) throws TException {
      TFetchResultsResp response = super.FetchResults(request);
      makePlain(response.getStatus());
      if (response.getResults() != null && request.getFetchType() == 0) {
        OperationHandle handle = new OperationHandle(request.getOperationHandle());
        StatementLog.fetched(handle.getHandleIdentifier().getPublicId().toString(), rows(response.getResults()));
      }
      return response;
    }

    private static int rows(TRowSet set) {
      if (set.getColumns() == null || set.getColumns().isEmpty()) {
        return set.getRowsSize();
      }
      Object column = ((org.apache.hive.service.rpc.thrift.TColumn) set.getColumns().get(0)).getFieldValue();
      try {
        return ((java.util.List) column.getClass().getMethod("getValues", new Class[0]).invoke(column, new Object[0]))
            .size();
      } catch (ReflectiveOperationException exc) {
        throw new IllegalStateException(exc);
      }
    }
  }
}
