package org.lakepredict;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ScalaUDF;
import org.apache.spark.sql.catalyst.expressions.SubqueryExpression;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.connect.service.SparkListenerConnectOperationCanceled;
import org.apache.spark.sql.connect.service.SparkListenerConnectOperationClosed;
import org.apache.spark.sql.connect.service.SparkListenerConnectOperationFailed;
import org.apache.spark.sql.connect.service.SparkListenerConnectOperationFinished;
import org.apache.spark.sql.connect.service.SparkListenerConnectOperationStarted;
import org.apache.spark.sql.hive.thriftserver.ui.SparkListenerThriftServerOperationCanceled;
import org.apache.spark.sql.hive.thriftserver.ui.SparkListenerThriftServerOperationClosed;
import org.apache.spark.sql.hive.thriftserver.ui.SparkListenerThriftServerOperationError;
import org.apache.spark.sql.hive.thriftserver.ui.SparkListenerThriftServerOperationFinish;
import org.apache.spark.sql.hive.thriftserver.ui.SparkListenerThriftServerOperationStart;
import org.apache.spark.sql.hive.thriftserver.ui.SparkListenerThriftServerOperationTimeout;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Writes a line of JSON for each statement of a client, once it is over and its client has let go of it.
 *
 * <p>Spark tells of the statements by events, on a thread of their own. Which versions of models a statement is bound
 * to is read from its analysed plan, and how many rows went to a client of the Thrift server is counted on their way.
 */
public final class StatementLog extends SparkListener {
  private static final Pattern CALL = Pattern.compile("(?:try_)?predict(?:_proba)?\\[(.+ v\\d+)\\].*");
  private static final int LONGEST = 4000;

  private static final Map ROWS = new ConcurrentHashMap();
  private static final Map MODELS = new ConcurrentHashMap();
  private static final Map TEXTS = new ConcurrentHashMap();

  private final Map running = new ConcurrentHashMap();
  private final ObjectMapper json = new ObjectMapper();
  private final OutputStream file;

  public StatementLog(String path) throws IOException {
    file = new FileOutputStream(path, true);
  }

  /** Has the models of each statement noted, in all sessions that are made with these extensions from now on. */
  public static void watch(SparkSessionExtensions extensions) {
    extensions.injectCheckRule(new Watches());
  }

  public int running() {
    int found = 0;
    for (Iterator each = running.values().iterator(); each.hasNext(); ) {
      found += ((Map) each.next()).get("status").equals("unknown") ? 1 : 0;
    }
    return found;
  }

  static void fetched(String statement, int rows) {
    ROWS.merge(statement, Integer.valueOf(rows), new Sum());
  }

  static void text(String operation, String sql) {
    TEXTS.put(operation, sql);
  }

  public void onOtherEvent(SparkListenerEvent event) {
    if (event instanceof SparkListenerThriftServerOperationStart) {
      SparkListenerThriftServerOperationStart start = (SparkListenerThriftServerOperationStart) event;
      started(start.id(), "thrift", start.userName(), start.statement(), start.startTime(), start.groupId());
    } else if (event instanceof SparkListenerThriftServerOperationFinish) {
      ended(((SparkListenerThriftServerOperationFinish) event).id(), "finished", null);
    } else if (event instanceof SparkListenerThriftServerOperationError) {
      SparkListenerThriftServerOperationError error = (SparkListenerThriftServerOperationError) event;
      ended(error.id(), "failed", error.errorMsg());
    } else if (event instanceof SparkListenerThriftServerOperationCanceled) {
      ended(((SparkListenerThriftServerOperationCanceled) event).id(), "canceled", null);
    } else if (event instanceof SparkListenerThriftServerOperationTimeout) {
      ended(((SparkListenerThriftServerOperationTimeout) event).id(), "timed out", null);
    } else if (event instanceof SparkListenerThriftServerOperationClosed) {
      String id = ((SparkListenerThriftServerOperationClosed) event).id();
      closed(id, (Integer) ROWS.remove(id));
    } else {
      onConnectEvent(event);
    }
  }

  private void onConnectEvent(SparkListenerEvent event) {
    if (event instanceof SparkListenerConnectOperationStarted) {
      SparkListenerConnectOperationStarted start = (SparkListenerConnectOperationStarted) event;
      Object sql = TEXTS.remove(start.operationId());
      String text = sql == null ? start.statementText() : (String) sql;
      started(start.operationId(), "connect", start.userId(), text, start.eventTime(), start.jobTag());
    } else if (event instanceof SparkListenerConnectOperationFinished) {
      SparkListenerConnectOperationFinished end = (SparkListenerConnectOperationFinished) event;
      ended(end.operationId(), "finished", null);
      if (end.producedRowCount().nonEmpty()) {
        ROWS.put(end.operationId(), Integer.valueOf(((Number) end.producedRowCount().get()).intValue()));
      }
    } else if (event instanceof SparkListenerConnectOperationFailed) {
      SparkListenerConnectOperationFailed error = (SparkListenerConnectOperationFailed) event;
      ended(error.operationId(), "failed", error.errorMessage());
    } else if (event instanceof SparkListenerConnectOperationCanceled) {
      ended(((SparkListenerConnectOperationCanceled) event).operationId(), "canceled", null);
    } else if (event instanceof SparkListenerConnectOperationClosed) {
      String id = ((SparkListenerConnectOperationClosed) event).operationId();
      closed(id, (Integer) ROWS.remove(id));
    }
  }

  private void started(String id, String protocol, String user, String text, long time, String tag) {
    Map line = new LinkedHashMap();
    line.put("time", Instant.ofEpochMilli(time).truncatedTo(ChronoUnit.MILLIS).toString());
    line.put("event", "statement");
    line.put("protocol", protocol);
    line.put("user", user);
    line.put("statement", text.length() > LONGEST ? text.substring(0, LONGEST) + "..." : text);
    line.put("status", "unknown");
    line.put("error", null);
    line.put("models", tag);
    line.put("rows", null);
    line.put("seconds", Long.valueOf(time));
    running.put(id, line);
  }

  private void ended(String id, String status, String error) {
    Map line = (Map) running.get(id);
    if (line != null && line.get("status").equals("unknown")) {
      line.put("status", status);
      line.put("error", error == null ? null : error.trim().split("\n", 2)[0]);
      long begun = ((Long) line.get("seconds")).longValue();
      line.put("seconds", Double.valueOf((System.currentTimeMillis() - begun) / 1000.0));
    }
  }

  private void closed(String id, Integer rows) {
    ended(id, "canceled", null);
    Map line = (Map) running.remove(id);
    if (line == null) {
      return;
    }
    Object models = MODELS.remove(line.get("models"));
    line.put("models", models == null ? new TreeSet() : models);
    line.put("rows", rows);
    try {
      file.write((json.writeValueAsString(line) + "\n").getBytes("UTF-8"));
      file.flush();
    } catch (IOException exc) {
      throw new IllegalStateException(exc);
    }
  }

  static final class Sum implements java.util.function.BiFunction {
    public Object apply(Object a, Object b) {
      return Integer.valueOf(((Integer) a).intValue() + ((Integer) b).intValue());
    }
  }

  static final class Watches extends AbstractFunction1 {
    public Object apply(Object session) {
      return new Watch((SparkSession) session);
    }
  }

  static final class Watch extends AbstractFunction1 {
    private final SparkSession session;

    Watch(SparkSession session) {
      this.session = session;
    }

    public Object apply(Object plan) {
      Set found = new TreeSet();
      look((LogicalPlan) plan, found);
      String tag = found.isEmpty() ? null : tag();
      if (tag != null) {
        found.addAll(MODELS.containsKey(tag) ? (Set) MODELS.get(tag) : new TreeSet());
        MODELS.put(tag, found);
      }
      return BoxedUnit.UNIT;
    }

    private String tag() {
      String tags = session.sparkContext().getLocalProperty("spark.job.tags");
      if (tags != null) {
        String[] each = tags.split(",");
        for (int i = 0; i < each.length; i++) {
          if (each[i].startsWith("SparkConnect_OperationTag_")) {
            return each[i];
          }
        }
      }
      return session.sparkContext().getLocalProperty("spark.jobGroup.id");
    }

    private static void look(LogicalPlan plan, Set found) {
      for (Iterator each = CollectionConverters.asJava(plan.expressions()).iterator(); each.hasNext(); ) {
        lookAt((Expression) each.next(), found);
      }
      for (Iterator each = CollectionConverters.asJava(plan.children()).iterator(); each.hasNext(); ) {
        look((LogicalPlan) each.next(), found);
      }
    }

    private static void lookAt(Expression expression, Set found) {
      if (expression instanceof ScalaUDF && ((ScalaUDF) expression).udfName().nonEmpty()) {
        Matcher call = CALL.matcher((String) ((ScalaUDF) expression).udfName().get());
        if (call.matches()) {
          found.add(call.group(1));
        }
      }
      if (expression instanceof SubqueryExpression) {
        look((LogicalPlan) ((SubqueryExpression) expression).plan(), found);
      }
      for (Iterator each = CollectionConverters.asJava(expression.children()).iterator(); each.hasNext(); ) {
        lookAt((Expression) each.next(), found);
      }
    }
  }
}
