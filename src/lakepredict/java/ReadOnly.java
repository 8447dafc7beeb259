package org.lakepredict;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Locale;
import java.util.Set;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedIdentifier;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTable;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableOrView;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableValuedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedView;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.SubqueryExpression;
import org.apache.spark.sql.catalyst.parser.ParseException;
import org.apache.spark.sql.catalyst.parser.ParserInterface;
import org.apache.spark.sql.catalyst.plans.logical.Command;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.trees.Origin;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.execution.command.SetCommand;
import scala.Option;
import scala.Product;
import scala.Tuple2;
import scala.collection.immutable.Map;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;
import scala.runtime.BoxedUnit;

/**
 * Lets the sessions of clients read tables, and do nothing else.
 *
 * <p>What a statement says is looked at when it is parsed, before anything is resolved: it passes if every part of it is
 * on a list. So is each text that is parsed on the way, of a view, of a SQL function, of an expression. After the
 * analysis, commands and functions are looked at once more.
 */
public final class ReadOnly {
  private static final String CONDITION = "SERVER_READ_ONLY";
  private static final String EXPRESSIONS = "org.apache.spark.sql.catalyst.expressions.";
  private static final String SPARK = "org.apache.spark.sql.";

  private static Set plans;
  private static Set unresolved;
  private static Set functions;
  private static Set settings;

  /** Says what passes; names are separated by spaces. */
  public static void allow(String plans, String unresolved, String functions, String settings) {
    ReadOnly.plans = set(plans);
    ReadOnly.unresolved = set(unresolved);
    ReadOnly.functions = set(functions);
    ReadOnly.settings = set(settings);
  }

  /** Has all sessions obey that are made with these extensions from now on. */
  public static void guard(SparkSessionExtensions extensions) {
    extensions.injectParser(new Parsers());
    extensions.injectCheckRule(new Checks());
  }

  static Set set(String names) {
    return new HashSet(Arrays.asList(names.split(" ")));
  }

  /** What is wrong with a function of this name, or null: one that the lakehouse has made in SQL is not on the list. */
  static String aboutFunction(SparkSession session, String name) {
    if (functions.contains(name.toLowerCase(Locale.ROOT))) {
      return null;
    }
    boolean registered = has(session.sessionState().functionRegistry().listFunction(), name)
        || has(session.sessionState().tableFunctionRegistry().listFunction(), name);
    return registered ? "the function " + name : null;
  }

  private static boolean has(Seq names, String name) {
    for (Iterator each = CollectionConverters.asJava(names).iterator(); each.hasNext(); ) {
      if (((FunctionIdentifier) each.next()).funcName().equalsIgnoreCase(name)) {
        return true;
      }
    }
    return false;
  }

  /** What is wrong with a table function of this name, or null. */
  static String aboutTableFunction(String name) {
    return functions.contains(name.toLowerCase(Locale.ROOT)) ? null : "the table function " + name;
  }

  /** What is wrong with showing this setting, or null. */
  static String aboutSetting(String key) {
    boolean harmless = key.matches("spark\\.(sql|connect|python\\.sql|lakepredict)\\..*")
        && !key.matches("(?i).*(secret|password|token|access.?key).*");
    return harmless ? null : "the setting " + key;
  }

  /** What is wrong with a table of this name, or null. */
  static String aboutTable(SparkSession session, Seq parts) {
    StringBuilder name = new StringBuilder();
    boolean path = false;
    for (int i = 0; i < parts.size(); i++) {
      String part = (String) parts.apply(i);
      name.append(i == 0 ? "`" : ".`").append(part).append("`");
      path |= part.indexOf('/') >= 0 || part.indexOf('\\') >= 0 || part.indexOf(':') >= 0;
    }
    int last = parts.size() - 1;
    boolean fits = last == 0
        || last == 1 && session.sessionState().catalog().databaseExists((String) parts.apply(0))
        || last == 2 && "spark_catalog".equals(parts.apply(0));
    return fits && !path ? null : name + ", which is in no schema of the lakehouse";
  }

  // --- what is parsed ---------------------------------------------------------------------------------------------

  static final class Parsers extends AbstractFunction2 {
    public Object apply(Object session, Object parser) {
      Class[] types = new Class[] {ParserInterface.class};
      InvocationHandler guard = new Guard((SparkSession) session, parser);
      return Proxy.newProxyInstance(ParserInterface.class.getClassLoader(), types, guard);
    }
  }

  static final class Guard implements InvocationHandler {
    private final SparkSession session;
    private final Object parser;

    Guard(SparkSession session, Object parser) {
      this.session = session;
      this.parser = parser;
    }

    public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
      Object parsed;
      try {
        parsed = method.invoke(parser, arguments);
      } catch (InvocationTargetException exc) {
        throw exc.getCause();
      }
      if (parsed instanceof TreeNode) {
        look(parsed, null);
      }
      return parsed;
    }

    private void look(Object part, TreeNode parent) throws ParseException {
      TreeNode node = part instanceof TreeNode ? (TreeNode) part : parent;
      if (part instanceof LogicalPlan) {
        refuse(aboutPlan((LogicalPlan) part), node);
      } else if (part instanceof Expression) {
        refuse(aboutExpression((Expression) part), node);
      } else if (part instanceof TableIdentifier) {
        refuse(aboutTable(session, ((TableIdentifier) part).nameParts()), node);
      } else if (part instanceof FunctionIdentifier) {
        refuse(aboutFunction(session, ((FunctionIdentifier) part).funcName()), node);
      }
      if (part instanceof scala.collection.Iterable) {
        Iterator each = CollectionConverters.asJava((scala.collection.Iterable) part).iterator();
        while (each.hasNext()) {
          look(each.next(), node);
        }
      } else if (part instanceof Product) {
        for (int i = 0; i < ((Product) part).productArity(); i++) {
          look(((Product) part).productElement(i), node);
        }
      } else if (part instanceof LogicalPlan) {
        look(((LogicalPlan) part).children(), node);
        look(((LogicalPlan) part).expressions(), node);
      } else if (part instanceof Expression) {
        look(((Expression) part).children(), node);
      }
    }

    private String aboutPlan(LogicalPlan plan) {
      String name = plan.getClass().getName();
      if (!name.startsWith(SPARK) || !plans.contains(simple(plan))) {
        return "a statement with " + simple(plan);
      }
      if (plan instanceof UnresolvedRelation) {
        UnresolvedRelation relation = (UnresolvedRelation) plan;
        if (relation.isStreaming() || !relation.options().isEmpty()) {
          return "a table with options";
        }
        return aboutTable(session, relation.multipartIdentifier());
      }
      if (plan instanceof UnresolvedTable) {
        return aboutTable(session, ((UnresolvedTable) plan).multipartIdentifier());
      }
      if (plan instanceof UnresolvedView) {
        return aboutTable(session, ((UnresolvedView) plan).multipartIdentifier());
      }
      if (plan instanceof UnresolvedTableOrView) {
        return aboutTable(session, ((UnresolvedTableOrView) plan).multipartIdentifier());
      }
      if (plan instanceof UnresolvedTableValuedFunction) {
        return aboutTableFunction((String) ((UnresolvedTableValuedFunction) plan).name().last());
      }
      return plan instanceof SetCommand ? aboutSet((SetCommand) plan) : null;
    }

    private static String aboutSet(SetCommand command) {
      if (command.kv().isEmpty()) {
        return null;
      }
      Tuple2 pair = (Tuple2) command.kv().get();
      String key = (String) pair._1();
      if (((Option) pair._2()).isEmpty()) {
        return key.equals("-v") ? null : ReadOnly.aboutSetting(key);
      }
      return settings.contains(key) ? null : "SET " + key;
    }

    private String aboutExpression(Expression expression) {
      if (expression instanceof UnresolvedFunction) {
        return aboutFunction(session, (String) ((UnresolvedFunction) expression).nameParts().last());
      }
      String name = expression.getClass().getName();
      String rest = name.startsWith(EXPRESSIONS) ? name.substring(EXPRESSIONS.length()) : ".";
      boolean plain = rest.indexOf('.') < 0 || rest.startsWith("aggregate.");
      return plain || unresolved.contains(simple(expression)) ? null : "an expression of the kind " + simple(expression);
    }
  }

  // --- what is analysed -------------------------------------------------------------------------------------------

  static final class Checks extends AbstractFunction1 {
    public Object apply(Object session) {
      return new Check();
    }
  }

  static final class Check extends AbstractFunction1 {
    public Object apply(Object plan) {
      look((LogicalPlan) plan);
      return BoxedUnit.UNIT;
    }

    private static void look(LogicalPlan plan) {
      if (plan instanceof Command && !plans.contains(simple(plan))) {
        thrown("the command " + simple(plan), plan);
      }
      for (Iterator each = CollectionConverters.asJava(plan.expressions()).iterator(); each.hasNext(); ) {
        lookAt((Expression) each.next());
      }
      for (Iterator each = CollectionConverters.asJava(plan.children()).iterator(); each.hasNext(); ) {
        look((LogicalPlan) each.next());
      }
    }

    private static void lookAt(Expression expression) {
      String name = simple(expression);
      if (name.equals("CallMethodViaReflection") || name.equals("TryReflect")) {
        thrown("the function reflect", expression);
      }
      if (expression instanceof SubqueryExpression) {
        look((LogicalPlan) ((SubqueryExpression) expression).plan());
      }
      for (Iterator each = CollectionConverters.asJava(expression.children()).iterator(); each.hasNext(); ) {
        lookAt((Expression) each.next());
      }
    }

    private static void thrown(String got, TreeNode node) {
      new scala.util.Failure(error(got, node)).get();
    }
  }

  private static String simple(TreeNode node) {
    String name = node.getClass().getName();
    name = name.substring(name.lastIndexOf('.') + 1);
    return name.endsWith("$") ? name.substring(0, name.length() - 1) : name;
  }

  private static void refuse(String got, TreeNode node) throws ParseException {
    if (got != null) {
      throw error(got, node);
    }
  }

  private static ParseException error(String got, TreeNode node) {
    Map parameters = (Map) scala.collection.immutable.Map$.MODULE$.empty();
    return new ParseException(Option.apply(null), node.origin(), CONDITION, (Map) parameters.updated("got", got));
  }
}
