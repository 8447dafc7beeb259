package org.lakepredict;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.catalyst.analysis.AnalysisContext;
import org.apache.spark.sql.catalyst.analysis.FunctionRegistry$;
import org.apache.spark.sql.catalyst.analysis.Star;
import org.apache.spark.sql.catalyst.analysis.TempResolvedColumn;
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.GetStructField;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedArgumentExpression;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.ZeroIfNull;
import org.apache.spark.sql.catalyst.parser.CatalystSqlParser$;
import org.apache.spark.sql.catalyst.trees.CurrentOrigin$;
import org.apache.spark.sql.catalyst.trees.Origin;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.unsafe.types.UTF8String;
import scala.Option;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Carries calls of PREDICT to Python while a query is analysed, and the expressions or errors back.
 *
 * <p>An error arrives as a real AnalysisException; py4j alone would wrap it in one of its own.
 */
public final class FunctionBuilder extends scala.runtime.AbstractFunction1 {
  private static final String RECORD = "\u001e";
  private static final String FIELD = "\u001f";
  private static final int MOST_ARGUMENTS = 6;
  private static final String ONE_BY_ONE = "lakepredict.one_by_one";
  private static final String TEXT =
      "'(?:[^'\\\\]++|\\\\.|'')*+'|\"(?:[^\"\\\\]++|\\\\.|\"\")*+\"|`(?:[^`]++|``)*+`";
  private static final Pattern TEXTS = Pattern.compile(TEXT, Pattern.DOTALL);
  private static final Pattern COMMENTS_BESIDE_TEXTS =
      Pattern.compile("(" + TEXT + ")|--[^\\r\\n]*|/\\*.*?\\*/", Pattern.DOTALL);
  private static final Pattern STAR_BEFORE = Pattern.compile("[(,.]\\s*$");
  private static final ThreadLocal LAST = new ThreadLocal();
  private String name;
  private Function python;
  private Seq rules;

  // Each call of `name` runs the rules, which enter themselves into the session, and then asks `function`.
  public FunctionBuilder calling(String name, Function function, Seq rules) {
    this.name = name;
    this.python = function;
    this.rules = rules;
    return this;
  }

  public Throwable error(String condition, scala.collection.immutable.Map parameters) {
    return new AnalysisException(condition, parameters);
  }

  public Object apply(Object arguments) {
    for (int i = 0; i < rules.size(); i++) {
      ((Runnable) rules.apply(i)).run();
    }
    Object result = python.apply(new Object[] {arguments, SQLConf.get(), memo()});
    if (result instanceof Throwable) {
      return new scala.util.Failure((Throwable) result).get();
    }
    boolean isComputed = result instanceof Expression && !(result instanceof Literal);
    return isComputed ? shownAsCall((Seq) arguments, (Expression) result) : result;
  }

  /**
   * What replaces a call, under the name that Spark gives the column of a call without an alias: the function and its
   * arguments. Without it the column would be called as the arithmetic of the model is written.
   *
   * <p>ZeroIfNull stands for all functions of Spark that are nothing but another expression under a name: the optimizer
   * puts the second of its arguments in its place, and only the name shows the first.
   */
  private Expression shownAsCall(Seq arguments, Expression replacement) {
    int written = arguments.size() - (isMarked(arguments) ? 1 : 0);
    int shown = written > MOST_ARGUMENTS ? MOST_ARGUMENTS - 1 : written;
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < shown; i++) {
      Expression given = (Expression) arguments.apply(i);
      Expression inner = unnamed(given);
      text.append(i == 0 ? "" : ", ");
      text.append(given == inner ? "" : ((NamedArgumentExpression) given).key() + " => ").append(pretty(inner));
    }
    if (shown < written) {
      text.append(", ... ").append(written - shown).append(" more fields");
    }
    Literal label = new Literal(UTF8String.fromString(text.toString()), DataTypes.StringType);
    Expression call = new ZeroIfNull(label, replacement);
    call.setTagValue(FunctionRegistry$.MODULE$.FUNC_ALIAS(), name);
    return call;
  }

  /**
   * What Python has to know of the arguments, in one text, for each question that Python asks takes a while: a record
   * for each, of whether its name was given by {@code name => expression}, its type as JSON, its name after an equals
   * sign if it has one, its SQL text, and whether it is constant.
   */
  public String described(Seq arguments) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < arguments.size(); i++) {
      Expression given = (Expression) arguments.apply(i);
      Expression inner = unnamed(given);
      String name = given == inner ? name(inner) : ((NamedArgumentExpression) given).key();
      text.append(i == 0 ? "" : RECORD).append(given != inner).append(FIELD).append(inner.dataType().json());
      text.append(FIELD).append(name == null ? "" : "=" + name).append(FIELD).append(sql(inner));
      text.append(FIELD).append(inner.foldable());
    }
    return text.toString();
  }

  /**
   * Whether the arguments are known to be written one by one, and none to come of a star, which Spark expands before a
   * builder is asked. In SQL the text of the call shows it, or those of all calls in the query where the places in its
   * text have moved, as they do with parameter markers. A DataFrame has no text: the functions of this package mark their
   * calls there.
   */
  public boolean oneByOne(Seq arguments) {
    Origin origin = CurrentOrigin$.MODULE$.get();
    if (origin.sqlText().isEmpty()) {
      return isMarked(arguments);
    }
    String text = (String) origin.sqlText().get();
    UnresolvedFunction call = parsed(text, origin);
    if (call == null) {
      return isWrittenOut(plain(text));
    }
    for (int i = 0; i < call.arguments().size(); i++) {
      if (call.arguments().apply(i) instanceof Star) {
        return false;
      }
    }
    return true;
  }

  // The call itself, read from its place in the text, or null if something else is there.
  private UnresolvedFunction parsed(String text, Origin origin) {
    if (origin.startIndex().isEmpty() || origin.stopIndex().isEmpty()) {
      return null;
    }
    int start = ((Integer) origin.startIndex().get()).intValue();
    int stop = ((Integer) origin.stopIndex().get()).intValue() + 1;
    if (start < 0 || start > stop || stop > text.length()) {
      return null;
    }
    Expression found;
    try {
      found = CatalystSqlParser$.MODULE$.parseExpression(text.substring(start, stop));
    } catch (Exception notAnExpression) {
      return null;
    }
    if (!(found instanceof UnresolvedFunction)) {
      return null;
    }
    UnresolvedFunction call = (UnresolvedFunction) found;
    return ((String) call.nameParts().last()).equalsIgnoreCase(name) ? call : null;
  }

  // SQL with nothing but a mark in the place of its strings and quoted names, and a blank in that of its comments.
  private static String plain(String sql) {
    return TEXTS.matcher(COMMENTS_BESIDE_TEXTS.matcher(sql).replaceAll("$1 ")).replaceAll("q");
  }

  // Whether there is a call of this function in plain SQL, and none of them has a star among its own arguments.
  private boolean isWrittenOut(String sql) {
    Matcher calls = Pattern.compile("(?i)\\b" + Pattern.quote(name) + "\\s*\\(").matcher(sql);
    boolean isThere = false;
    while (calls.find()) {
      isThere = true;
      int depth = 1;
      for (int at = calls.end(); at < sql.length() && depth > 0; at++) {
        char sign = sql.charAt(at);
        depth += sign == '(' ? 1 : sign == ')' ? -1 : 0;
        if (sign == '*' && depth == 1 && STAR_BEFORE.matcher(sql.substring(0, at)).find()) {
          return false;
        }
      }
    }
    return isThere;
  }

  private static boolean isMarked(Seq arguments) {
    if (arguments.isEmpty() || !(arguments.last() instanceof NamedArgumentExpression)) {
      return false;
    }
    return ((NamedArgumentExpression) arguments.last()).key().equals(ONE_BY_ONE);
  }

  /**
   * The arguments that feed a model, as `feeds` lists them: a record for each, of the place of the argument, the place
   * of the field in it or nothing, and the type that it is cast to as JSON or nothing.
   */
  public Seq fed(Seq arguments, String feeds, String timezone) {
    List found = new ArrayList();
    String[] records = feeds.split(RECORD, -1);
    for (int i = 0; i < records.length; i++) {
      String[] feed = records[i].split(FIELD, -1);
      Expression value = unnamed((Expression) arguments.apply(Integer.parseInt(feed[0])));
      if (!feed[1].isEmpty()) {
        value = new GetStructField(value, Integer.parseInt(feed[1]), Option.apply(null));
      }
      if (!feed[2].isEmpty()) {
        value = new Cast(value, DataType.fromJson(feed[2]), Option.apply(timezone));
      }
      found.add(value);
    }
    return CollectionConverters.asScala(found).toSeq();
  }

  /** The expressions under the names and ids of columns. */
  public Seq aliased(Seq columns, Seq expressions) {
    List found = new ArrayList();
    Seq nothing = CollectionConverters.asScala(new ArrayList()).toSeq();
    for (int i = 0; i < columns.size(); i++) {
      Attribute column = (Attribute) columns.apply(i);
      Expression value = (Expression) expressions.apply(i);
      found.add(new Alias(value, column.name(), column.exprId(), nothing, Option.apply(null), nothing));
    }
    return CollectionConverters.asScala(found).toSeq();
  }

  private static Expression unnamed(Expression given) {
    return given instanceof NamedArgumentExpression ? ((NamedArgumentExpression) given).value() : given;
  }

  // The name that Spark itself would give the column `SELECT expression`, where it is a plain one; or null.
  private static String name(Expression expression) {
    if (expression instanceof Cast || expression instanceof TempResolvedColumn) {
      return name((Expression) expression.children().head());
    }
    if (expression instanceof GetStructField) {
      return ((GetStructField) expression).extractFieldName();
    }
    return expression instanceof NamedExpression ? ((NamedExpression) expression).name() : null;
  }

  private static String sql(Expression expression) {
    if (expression instanceof Literal) {
      return expression.sql();
    }
    if (expression instanceof AttributeReference) {
      Seq qualifier = ((AttributeReference) expression).qualifier();
      String name = ((AttributeReference) expression).name();
      return qualifier.isEmpty() ? name : qualifier.last() + "." + name;
    }
    return pretty(expression);
  }

  private static String pretty(Expression expression) {
    return org.apache.spark.sql.catalyst.util.package$.MODULE$.toPrettySQL(expression, false);
  }

  // One map for each analysis of a query: its relation cache is shared with the views in it, and with no other.
  private static Object memo() {
    Object query = AnalysisContext.get().relationCache();
    Object[] last = (Object[]) LAST.get();
    if (last == null || ((java.lang.ref.WeakReference) last[0]).get() != query) {
      last = new Object[] {new java.lang.ref.WeakReference(query), new java.util.HashMap()};
      LAST.set(last);
    }
    return last[1];
  }
}
