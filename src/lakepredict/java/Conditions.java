package org.lakepredict;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.And;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.BinaryComparison;
import org.apache.spark.sql.catalyst.expressions.CaseWhen;
import org.apache.spark.sql.catalyst.expressions.Coalesce;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.If;
import org.apache.spark.sql.catalyst.expressions.In;
import org.apache.spark.sql.catalyst.expressions.InSet;
import org.apache.spark.sql.catalyst.expressions.IsNaN;
import org.apache.spark.sql.catalyst.expressions.IsNotNull;
import org.apache.spark.sql.catalyst.expressions.IsNull;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.Not;
import org.apache.spark.sql.catalyst.expressions.Or;
import org.apache.spark.sql.catalyst.expressions.StringPredicate;
import org.apache.spark.sql.catalyst.expressions.TryEval;
import org.apache.spark.sql.types.DataTypes;
import scala.Option;
import scala.Tuple2;
import scala.collection.immutable.Seq;

/**
 * Conditions, by the ids of the columns whose values are needed where they are true; false and NULL are the same.
 *
 * <p>A condition may be taken to another place in a plan. What cannot be asked there becomes true, so that it may name
 * too many rows there, and never too few.
 */
public final class Conditions {
  public static final Expression ALWAYS = new Literal(Boolean.TRUE, DataTypes.BooleanType);
  public static final Expression NEVER = new Literal(Boolean.FALSE, DataTypes.BooleanType);

  /** What is needed on the rows where the condition is true. */
  public static Map when(Expression condition, Map needs) {
    Map all = new HashMap();
    for (Object id : needs.keySet()) {
      all.put(id, chosen(condition, (Expression) needs.get(id), NEVER));
    }
    return all;
  }

  public static Expression at(Map needs, Object id) {
    return needs.containsKey(id) ? (Expression) needs.get(id) : NEVER;
  }

  /** `then` on the rows where the condition is true, and `otherwise` on the others. */
  public static Expression chosen(Expression condition, Expression then, Expression otherwise) {
    if (then.equals(otherwise) || condition.equals(ALWAYS)) {
      return then;
    }
    if (then.equals(ALWAYS) && otherwise.equals(NEVER)) {
      return condition;
    }
    if (otherwise instanceof CaseWhen) {
      CaseWhen rest = (CaseWhen) otherwise;
      return new CaseWhen((Seq) rest.branches().prepended(new Tuple2(condition, then)), rest.elseValue());
    }
    if (otherwise instanceof If) {
      If rest = (If) otherwise;
      List branches = new ArrayList();
      branches.add(new Tuple2(condition, then));
      branches.add(new Tuple2(rest.predicate(), rest.trueValue()));
      return new CaseWhen(Columns.seq(branches), Option.apply(rest.falseValue()));
    }
    return new If(condition, then, otherwise);
  }

  public static Map either(Map left, Map right) {
    Map needs = new HashMap(left);
    for (Object id : right.keySet()) {
      needs.put(id, either(at(left, id), (Expression) right.get(id)));
    }
    return needs;
  }

  public static Expression either(Expression left, Expression right) {
    if (left.equals(ALWAYS) || right.equals(ALWAYS)) {
      return ALWAYS;
    }
    if (left.equals(NEVER) || right.equals(NEVER)) {
      return left.equals(NEVER) ? right : left;
    }
    return isAmong(left, right) ? left : new Or(left, right);
  }

  private static boolean isAmong(Expression alternatives, Expression condition) {
    while (alternatives instanceof Or) {
      if (((Or) alternatives).right().semanticEquals(condition)) {
        return true;
      }
      alternatives = ((Or) alternatives).left();
    }
    return alternatives.semanticEquals(condition);
  }

  public static Map always(Map needs) {
    Map all = new HashMap();
    for (Object id : needs.keySet()) {
      all.put(id, ALWAYS);
    }
    return all;
  }

  // --- elsewhere ---

  /** The conditions, over columns with these ids alone. */
  public static Map within(Map needs, Set ids) {
    Map all = new HashMap();
    for (Object id : needs.keySet()) {
      all.put(id, within((Expression) needs.get(id), ids));
    }
    return all;
  }

  public static Expression within(Expression condition, Set ids) {
    if (Columns.isOver(condition, ids)) {
      return condition;
    }
    if (condition instanceof Or) {
      return either(within(((Or) condition).left(), ids), within(((Or) condition).right(), ids));
    }
    if (condition instanceof And) {
      Expression right = within(((And) condition).right(), ids);
      return branch(((And) condition).left(), right, NEVER, ids);
    }
    if (condition instanceof If) {
      If branch = (If) condition;
      return branch(branch.predicate(), within(branch.trueValue(), ids), within(branch.falseValue(), ids), ids);
    }
    return condition instanceof CaseWhen ? withinCase((CaseWhen) condition, ids) : ALWAYS;
  }

  private static Expression withinCase(CaseWhen condition, Set ids) {
    Seq branches = condition.branches();
    Expression rest = condition.elseValue().isEmpty() ? NEVER : within((Expression) condition.elseValue().get(), ids);
    for (int i = branches.size() - 1; i >= 0; i--) {
      Tuple2 branch = (Tuple2) branches.apply(i);
      rest = branch((Expression) branch._1(), within((Expression) branch._2(), ids), rest, ids);
    }
    return rest;
  }

  private static Expression branch(Expression condition, Expression then, Expression otherwise, Set ids) {
    boolean isThere = Columns.isOver(condition, ids);
    return isThere ? chosen(condition, then, otherwise) : attempted(either(then, otherwise));
  }

  /** The conditions for rows that nobody has asked them of yet, true where they fail. */
  public static Map attempted(Map needs) {
    Map all = new HashMap();
    for (Object id : needs.keySet()) {
      all.put(id, attempted((Expression) needs.get(id)));
    }
    return all;
  }

  private static Expression attempted(Expression condition) {
    if (cannotFail(condition)) {
      return condition;
    }
    Expression known = coalesce(condition, NEVER);
    return coalesce(new TryEval(known), ALWAYS);
  }

  private static Expression coalesce(Expression first, Expression second) {
    List values = new ArrayList();
    values.add(first);
    values.add(second);
    return new Coalesce(Columns.seq(values));
  }

  private static boolean cannotFail(Expression expression) {
    if (expression instanceof Attribute || expression instanceof Literal || expression instanceof TryEval) {
      return true;
    }
    boolean isLogic = expression instanceof And || expression instanceof Or || expression instanceof Not
        || expression instanceof If || expression instanceof CaseWhen || expression instanceof Coalesce;
    boolean isTest = expression instanceof BinaryComparison || expression instanceof In || expression instanceof InSet
        || expression instanceof IsNull || expression instanceof IsNotNull || expression instanceof IsNaN
        || expression instanceof StringPredicate;
    if (!isLogic && !isTest) {
      return false;
    }
    for (Expression child : (List<Expression>) Columns.list(expression.children())) {
      if (!cannotFail(child)) {
        return false;
      }
    }
    return true;
  }
}
