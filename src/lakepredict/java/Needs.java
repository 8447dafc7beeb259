package org.lakepredict;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.And;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.CaseWhen;
import org.apache.spark.sql.catalyst.expressions.Coalesce;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.If;
import org.apache.spark.sql.catalyst.expressions.IsNaN;
import org.apache.spark.sql.catalyst.expressions.IsNull;
import org.apache.spark.sql.catalyst.expressions.LambdaFunction;
import org.apache.spark.sql.catalyst.expressions.NaNvl;
import org.apache.spark.sql.catalyst.expressions.Not;
import org.apache.spark.sql.catalyst.expressions.Or;
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DatetimeType;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.IntegralType;
import scala.Option;
import scala.Tuple2;
import scala.collection.immutable.Seq;

/**
 * Says on which rows an expression needs the value of a column: a map from the column's id to a condition, which is
 * true, or not (false or NULL), on each row.
 *
 * <p>A condition repeats the CASE that it is about, with true and false in place of the values. So it asks what the
 * CASE itself asks, in the same order, and fails on no row that the CASE does not fail on.
 */
public final class Needs {
  private final Set wanted;
  private final Set row;
  private final boolean isGrouped;
  private int functions; // of many rows, that the expression in hand is an argument of

  // Of the columns with ids that are `wanted`, by expressions over the columns of a row, or of a group of rows.
  public Needs(Set wanted, Set row, boolean isGrouped) {
    this.wanted = wanted;
    this.row = row;
    this.isGrouped = isGrouped;
  }

  public Map of(Expression expression) {
    Map needs = new HashMap();
    if (expression instanceof Attribute) {
      if (wanted.contains(((Attribute) expression).exprId())) {
        needs.put(((Attribute) expression).exprId(), Conditions.ALWAYS);
      }
    } else if (expression instanceof AggregateExpression) {
      functions++;
      needs = ofAggregate((AggregateExpression) expression);
      functions--;
    } else if (Columns.mentions(expression, wanted)) {
      needs = ofParts(expression);
    }
    return needs;
  }

  /** As `of`, for a condition that is only asked whether it is true. */
  public Map ofTest(Expression condition) {
    boolean isLogic = condition instanceof And || condition instanceof Or;
    return isLogic && Columns.mentions(condition, wanted) ? ofLogic(condition, true) : of(condition);
  }

  private Map ofAggregate(AggregateExpression expression) {
    if (expression.filter().isEmpty()) {
      return ofChildren(expression);
    }
    Expression filter = (Expression) expression.filter().get();
    return Conditions.either(ofTest(filter), branched(filter, of(expression.aggregateFunction()), new HashMap()));
  }

  private Map ofChildren(Expression expression) {
    Map needs = new HashMap();
    for (Expression child : (List<Expression>) Columns.list(expression.children())) {
      needs = Conditions.either(needs, of(child));
    }
    return needs;
  }

  private Map ofParts(Expression expression) {
    if (expression instanceof If) {
      If branch = (If) expression;
      Map chosen = branched(branch.predicate(), of(branch.trueValue()), of(branch.falseValue()));
      return Conditions.either(ofTest(branch.predicate()), chosen);
    }
    if (expression instanceof CaseWhen) {
      return ofCase((CaseWhen) expression);
    }
    if (expression instanceof Coalesce) {
      return ofCoalesce(((Coalesce) expression).children());
    }
    if (expression instanceof NaNvl) {
      NaNvl pair = (NaNvl) expression;
      return Conditions.either(of(pair.left()), branched(new IsNaN(pair.left()), of(pair.right()), new HashMap()));
    }
    if (expression instanceof And || expression instanceof Or) {
      return ofLogic(expression, false);
    }
    Map needs = ofChildren(expression);
    return expression instanceof LambdaFunction ? Conditions.always(needs) : needs;
  }

  private Map ofCase(CaseWhen expression) {
    Option otherwise = expression.elseValue();
    Map needs = otherwise.isDefined() ? of((Expression) otherwise.get()) : new HashMap();
    for (int i = expression.branches().size() - 1; i >= 0; i--) {
      Tuple2 branch = (Tuple2) expression.branches().apply(i);
      Expression condition = (Expression) branch._1();
      needs = Conditions.either(ofTest(condition), branched(condition, of((Expression) branch._2()), needs));
    }
    return needs;
  }

  private Map ofCoalesce(Seq values) {
    Map needs = new HashMap();
    for (int i = values.size() - 1; i >= 0; i--) {
      Expression value = (Expression) values.apply(i);
      needs = Conditions.either(of(value), branched(new IsNull(value), needs, new HashMap()));
    }
    return needs;
  }

  // The right side of AND and OR is no branch where the left side needs a model: Spark promises no order here, and both
  // models answer in one pass of the data. NULL AND x is not NULL for each x, but never true.
  private Map ofLogic(Expression expression, boolean isTest) {
    Expression left = (Expression) expression.children().apply(0);
    Expression second = (Expression) expression.children().apply(1);
    Map right = isTest ? ofTest(second) : of(second);
    if (Columns.mentions(left, wanted)) {
      return Conditions.either(isTest ? ofTest(left) : of(left), right);
    }
    if (expression instanceof And && (isTest || !left.nullable())) {
      return branched(left, right, new HashMap());
    }
    return branched(expression instanceof And ? new Not(left) : left, new HashMap(), right);
  }

  // A condition can be asked below only if it has one answer for each row; else both sides may be reached.
  private Map branched(Expression condition, Map then, Map otherwise) {
    Map both = Conditions.either(then, otherwise);
    boolean isOfGroup = !isGrouped || functions > 0 || isTheSameInGroups(condition);
    if (!isOfGroup || !Columns.isOfRow(condition, row)) {
      return Conditions.attempted(both);
    }
    Map needs = new HashMap();
    for (Object id : both.keySet()) {
      needs.put(id, Conditions.chosen(condition, Conditions.at(then, id), Conditions.at(otherwise, id)));
    }
    return needs;
  }

  // Rows with 0.0 and -0.0, or with texts that a collation takes for equal, are in one group and may differ here.
  private static boolean isTheSameInGroups(Expression condition) {
    for (Attribute column : (List<Attribute>) Columns.list(condition.references().toSeq())) {
      DataType type = column.dataType();
      boolean isExact = type instanceof IntegralType || type instanceof DecimalType || type instanceof DatetimeType
          || type.equals(DataTypes.BooleanType) || type.equals(DataTypes.StringType);
      if (!isExact) {
        return false;
      }
    }
    return true;
  }
}
