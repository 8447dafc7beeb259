package org.lakepredict;

import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.parser.CatalystSqlParser$;
import org.apache.spark.sql.classic.SparkSession;
import org.sparkproject.connect.grpc.ForwardingServerCallListener;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.ServerCallHandler;
import org.sparkproject.connect.grpc.ServerInterceptor;
import org.sparkproject.connect.grpc.Status;
import org.sparkproject.connect.protobuf.Descriptors;
import org.sparkproject.connect.protobuf.Message;

/**
 * Looks at what Spark Connect clients send besides SQL, before Spark does: each kind of request, relation, expression
 * and command is on a list, or is refused. SQL in it is looked at when it is parsed.
 */
public final class ConnectGate implements ServerInterceptor {
  private static boolean readOnly;
  private static SparkSession session;
  private static String refusal;
  private static Set methods;
  private static Set kinds;
  private static Set choices;

  /**
   * Says what passes; names are separated by spaces.
   *
   * @param methods of the service
   * @param choices the oneofs, by their short names, of which a field must be among {@code kinds}
   * @param kinds fields, as {@code Relation.read}
   * @param refusal the error's text, with {@code <got>} in it
   */
  public static void allow(SparkSession session, String methods, String choices, String kinds, String refusal) {
    readOnly = true;
    ConnectGate.session = session;
    ConnectGate.methods = ReadOnly.set(methods);
    ConnectGate.choices = ReadOnly.set(choices);
    ConnectGate.kinds = ReadOnly.set(kinds);
    ConnectGate.refusal = refusal;
  }

  public ServerCall.Listener interceptCall(ServerCall call, Metadata headers, ServerCallHandler next) {
    String method = call.getMethodDescriptor().getBareMethodName();
    if (readOnly && !methods.contains(method)) {
      return refused(call, "a request " + method);
    }
    return new Listener(next.startCall(call, headers), call);
  }

  private static ServerCall.Listener refused(ServerCall call, String got) {
    call.close(Status.PERMISSION_DENIED.withDescription(refusal.replace("<got>", got)), new Metadata());
    return new Ignored();
  }

  static final class Ignored extends ServerCall.Listener {}

  static final class Listener extends ForwardingServerCallListener.SimpleForwardingServerCallListener {
    private final ServerCall call;
    private boolean open = true;
    private String sql;

    Listener(ServerCall.Listener next, ServerCall call) {
      super(next);
      this.call = call;
    }

    public void onMessage(Object message) {
      String wrong = about((Message) message);
      if (readOnly && wrong != null) {
        open = false;
        refused(call, wrong);
        return;
      }
      Descriptors.FieldDescriptor operation = ((Message) message).getDescriptorForType().findFieldByName("operation_id");
      if (sql != null && operation != null) {
        StatementLog.text((String) ((Message) message).getField(operation), sql);
      }
      super.onMessage(message);
    }

    public void onHalfClose() {
      if (open) {
        super.onHalfClose();
      }
    }

    // What is wrong with a message, or with one in it; or null.
    private String about(Message message) {
      String type = message.getDescriptorForType().getName();
      if (type.indexOf("UserDefined") >= 0 || type.startsWith("Python") && !type.equals("PythonOrigin")) {
        return "a function of the client's own";
      }
      for (Iterator each = message.getAllFields().entrySet().iterator(); each.hasNext(); ) {
        Map.Entry entry = (Map.Entry) each.next();
        Descriptors.FieldDescriptor field = (Descriptors.FieldDescriptor) entry.getKey();
        String wrong = aboutField(type, field, entry.getValue());
        if (wrong != null) {
          return wrong;
        }
      }
      return null;
    }

    private String aboutField(String type, Descriptors.FieldDescriptor field, Object value) {
      String name = type + "." + field.getName();
      Descriptors.OneofDescriptor choice = field.getRealContainingOneof();
      if (readOnly && choice != null && choices.contains(choice.getName()) && !kinds.contains(name)) {
        return "a request with " + name;
      }
      if (value instanceof String) {
        return readOnly ? aboutText(name, (String) value) : noted(name, (String) value);
      }
      if (value instanceof List) {
        for (Iterator each = ((List) value).iterator(); each.hasNext(); ) {
          Object item = each.next();
          String wrong = item instanceof Message ? about((Message) item) : null;
          wrong = item instanceof String && readOnly ? aboutText(name, (String) item) : wrong;
          if (wrong != null) {
            return wrong;
          }
        }
      }
      if (name.equals("UnresolvedFunction.is_internal") && Boolean.TRUE.equals(value)) {
        return "a function of Spark's own use";
      }
      if (name.equals("NamedTable.options")) {
        return "a table with options";
      }
      return value instanceof Message ? about((Message) value) : null;
    }

    private String noted(String name, String text) {
      if (sql == null && (name.equals("SQL.query") || name.equals("SqlCommand.sql"))) {
        sql = text;
      }
      return null;
    }

    private String aboutText(String name, String text) {
      noted(name, text);
      if (name.equals("UnresolvedTableValuedFunction.function_name")) {
        return ReadOnly.aboutTableFunction((String) parts(text).last());
      }
      if (name.endsWith("Function.function_name")) {
        return ReadOnly.aboutFunction(session, (String) parts(text).last());
      }
      if (name.equals("NamedTable.unparsed_identifier") || name.endsWith(".table_name")) {
        return ReadOnly.aboutTable(session, parts(text));
      }
      if (name.equals("Get.keys") || name.equals("GetOption.keys") || name.equals("KeyValue.key")) {
        return ReadOnly.aboutSetting(text);
      }
      return null;
    }

    private static scala.collection.immutable.Seq parts(String name) {
      return CatalystSqlParser$.MODULE$.parseMultipartIdentifier(name);
    }
  }
}
